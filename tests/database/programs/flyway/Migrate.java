import java.util.HashMap;
import org.flywaydb.core.Flyway;

/** Runs one of Flyway's commands, the first argument, with `FLYWAY_…` of the environment and the settings that follow. */
class Migrate {
    public static void main(String[] arguments) {
        var settings = new HashMap<String, String>();
        for (int i = 1; i < arguments.length; i++) {
            var setting = arguments[i].split("=", 2);
            settings.put(setting[0], setting[1]);
        }
        var flyway = Flyway.configure().envVars().configuration(settings).load();
        switch (arguments[0]) {
            case "migrate" -> flyway.migrate();
            case "baseline" -> flyway.baseline();
            case "repair" -> flyway.repair();
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }
}
