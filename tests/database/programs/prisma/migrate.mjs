// Calls one function of the engine behind `prisma migrate` on PostgreSQL, the only one that this build of it speaks to.
// Prisma's command line does without: it downloads another build that no package holds.
import { readdirSync, readFileSync } from "node:fs";
import { PrismaPg } from "@prisma/adapter-pg";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import * as prisma from "@prisma/schema-engine-wasm/schema_engine_bg";

const [command, migrationName] = process.argv.slice(2);
const wasm = new URL("schema_engine_bg.wasm", import.meta.resolve("@prisma/schema-engine-wasm"));
const { instance } = await WebAssembly.instantiate(readFileSync(wasm), { "./schema_engine_bg.js": prisma });
prisma.__wbg_set_wasm(instance.exports);
instance.exports.__wbindgen_start();

const provider = 'provider = "postgresql"';
const folders = readdirSync(".", { withFileTypes: true }).filter((entry) => entry.isDirectory());
const migrationsList = {
  baseDir: ".",
  lockfile: { path: "migration_lock.toml", content: provider },
  shadowDbInitScript: "",
  migrationDirectories: folders.map(({ name }) => name).sort().map((path) => ({
    path,
    migrationFile: { path: "migration.sql", content: { tag: "ok", value: readFileSync(`${path}/migration.sql`, "utf8") } },
  })),
};
const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL });
const datamodels = [["schema.prisma", `datasource db {\n${provider}\n}`]];
const engine = await prisma.SchemaEngine.new({ datamodels }, () => {}, bindMigrationAwareSqlAdapterFactory(adapter));
await engine[command]({ migrationsList, migrationName, filters: { externalTables: [], externalEnums: [] } });
process.exit(0);
