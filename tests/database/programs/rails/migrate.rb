# Calls one function of the migrations of Active Record, as the tasks `rails db:…` do: `migrate`, `rollback 1`, `run up 2`.
require "active_record"

ActiveRecord::Base.establish_connection(ENV.fetch("DATABASE_URL"))
context = ActiveRecord::MigrationContext.new(["."], ActiveRecord::SchemaMigration)
command, *arguments = ARGV
context.public_send(command, *arguments.map { |each| each.match?(/\A\d+\z/) ? Integer(each) : each.to_sym })
