import java.io.*;
import java.lang.reflect.*;
import java.net.URL;
import java.nio.file.*;
import java.util.*;

// Keys asks the classes of a Cassandra, which are on the class path, what cassandra.yaml may
// have in it. Without an argument it prints a line for each key: name, kind and remarks,
// separated by tabs. With the argument "judge" it reads documents from standard input,
// separated by lines "---", and prints for each what this Cassandra makes of it.
public class Keys
{
    static Class<?> config, loader, properties;
    static Field conf;

    public static void main(String[] args) throws Exception
    {
        PrintStream out = System.out;
        System.setOut(System.err); // where the loader's log goes
        config = Class.forName("org.apache.cassandra.config.Config");
        loader = find("org.apache.cassandra.config.YamlConfigurationLoader");
        properties = find("org.apache.cassandra.config.Properties");
        // Without its being initialized, which for older ones is to read a file.
        Class<?> descriptor = Class.forName("org.apache.cassandra.config.DatabaseDescriptor", false, Keys.class.getClassLoader());
        try { descriptor.getMethod("clientInitialization").invoke(null); } catch (NoSuchMethodException older) { }
        conf = descriptor.getDeclaredField("conf");
        conf.setAccessible(true);
        if (args.length > 0 && args[0].equals("judge"))
        {
            for (String doc : new String(System.in.readAllBytes(), "UTF-8").split("(?m)^---\n"))
                if (!doc.isEmpty()) out.println(judge(doc));
            return;
        }
        Map<String, String> keys = new TreeMap<>();
        list("", config, keys, 0);
        for (Map.Entry<String, String> e : keys.entrySet()) out.println(e.getKey() + "\t" + e.getValue());
    }

    static Class<?> find(String name) { try { return Class.forName(name); } catch (ClassNotFoundException none) { return null; } }

    // list adds the keys of a class that is read from a mapping.
    static void list(String prefix, Class<?> of, Map<String, String> keys, int depth) throws Exception
    {
        Map<String, Class<?>> types = new TreeMap<>();
        Map<String, Type> generic = new HashMap<>();
        for (Field f : of.getFields())
            if (!Modifier.isStatic(f.getModifiers()) && (properties != null || !Modifier.isFinal(f.getModifiers())))
            {
                generic.put(f.getName(), f.getGenericType());
                if (properties == null) types.put(f.getName(), f.getType());
            }
        if (properties != null)
        {
            Object defaultLoader = properties.getMethod("defaultLoader").invoke(null);
            Method get = defaultLoader.getClass().getMethod("getProperties", Class.class);
            get.setAccessible(true);
            for (Map.Entry<?, ?> e : ((Map<?, ?>) get.invoke(defaultLoader, of)).entrySet())
            {
                Method type = e.getValue().getClass().getMethod("getType");
                type.setAccessible(true);
                types.put((String) e.getKey(), (Class<?>) type.invoke(e.getValue()));
            }
        }
        for (Map.Entry<String, Class<?>> e : types.entrySet())
        {
            String key = prefix + e.getKey(), kind = kind(e.getValue(), generic.get(e.getKey()));
            if (key.startsWith("table_properties_")) kind = "names:" + tableProperties();
            keys.put(key, kind + remarks(key, kind, prefix.isEmpty() ? generic.get(e.getKey()) : null));
            if (kind.equals("mapping") && depth < 3 && !Map.class.isAssignableFrom(e.getValue())) list(key + ".", e.getValue(), keys, depth + 1);
        }
        Class<?> replacements = find("org.apache.cassandra.config.Replacements");
        if (replacements == null || !prefix.isEmpty()) return;
        Method all = replacements.getDeclaredMethod("getNameReplacements", Class.class);
        all.setAccessible(true);
        for (Object r : ((Map<?, ?>) ((Map<?, ?>) all.invoke(null, config)).get(config)).values())
        {
            String oldName = (String) r.getClass().getField("oldName").get(r), newName = (String) r.getClass().getField("newName").get(r);
            String kind = kind((Class<?>) r.getClass().getField("oldType").get(r), null);
            if (oldName.equals(newName) && kind.equals("text")) kind = "int"; // of seconds, as text
            if (oldName.equals(newName)) keys.put(oldName, keys.get(oldName).replaceFirst("^[^\t]*", "$0|" + kind) + "\tleast=0");
            else keys.put(oldName, kind + remarks(oldName, kind, null) + "\tnow=" + newName);
        }
    }

    static String kind(Class<?> t, Type generic)
    {
        if (t.isEnum()) return "one:" + names(t);
        String n = t.getName().replaceFirst("^java\\.lang\\.", "").replaceFirst("^org\\.apache\\.cassandra\\.config\\.", "");
        switch (n)
        {
            case "Integer": return "int";
            case "boolean": case "double": case "float": case "int": case "long": case "short": case "byte": return n;
            case "Boolean": case "Double": case "Float": case "Long": return n.toLowerCase();
            case "String": return "text";
            case "ParameterizedClass": return "class";
        }
        if (n.matches("(Duration|DataStorage|DataRate)Spec\\$.*")) return n.replace("Spec$", ".").replace("Bound", "");
        if (t.isArray()) return "list";
        if (Collection.class.isAssignableFrom(t))
        {
            Type item = generic instanceof ParameterizedType ? ((ParameterizedType) generic).getActualTypeArguments()[0] : null;
            return item instanceof Class && ((Class<?>) item).isEnum() ? "several:" + names((Class<?>) item) : "list";
        }
        return "mapping";
    }

    static String names(Class<?> t)
    {
        List<String> names = new ArrayList<>();
        for (Object c : t.getEnumConstants()) names.add(((Enum<?>) c).name());
        return String.join(",", names);
    }

    static String tableProperties() throws Exception
    {
        Class<?> attributes = Class.forName("org.apache.cassandra.cql3.statements.schema.TableAttributes");
        return String.join(",", new TreeSet<String>((Collection<String>) attributes.getMethod("allKeywords").invoke(null)));
    }

    // remarks says of a key that it may be empty, and of a guardrail what turns it off.
    static String remarks(String key, String kind, Type known) throws Exception
    {
        if (key.indexOf('.') >= 0) return "";
        String text = judge(key + ": ~\n").equals("ok") ? "\tempty" : "";
        boolean number = kind.equals("int") || kind.equals("long");
        if (number || kind.equals("double"))
        {
            int least = 100; // of the numbers that are taken without a gap
            for (int n : new int[] { -2, -1, 0, 1 })
                if (least == 100 && takes(key, n) && (n > 0 || takes(key, n + 1))) least = n;
            while (least > 1 && takes(key, least - 1)) least--;
            if (!takes(key, least)) text += "\tnone"; // it can't read any
            else if (least > -2) text += "\tleast=" + least;
        }
        if (!key.endsWith("_threshold")) return text;
        String zero = number ? "0" : kind.startsWith("Duration.") ? "0s" : kind.startsWith("DataStorage.") ? "0GiB" : null;
        if (zero == null || !judge(key + ": " + zero + "\n").contains("0 is not allowed")) return text;
        text += "\tguardrail";
        if (number && judge(key + ": 101\n").contains("maximum allowed value is 100")) text += "\tpercent";
        Object value = known == null ? null : config.getField(key).get(config.getConstructor().newInstance());
        return value == null || value.toString().equals("-1") ? text : text + "\tdefault=" + value;
    }

    static boolean takes(String key, int n) throws Exception { return judge(key + ": " + n + "\n").equals("ok"); }

    static String judge(String doc) throws Exception
    {
        Path file = Files.createTempFile("keys", ".yaml");
        try
        {
            Files.write(file, doc.getBytes("UTF-8"));
            if (loader == null) return plain(file);
            Object read = loader.getMethod("loadConfig", URL.class).invoke(loader.getConstructor().newInstance(), file.toUri().toURL());
            Class<?> guardrails = find("org.apache.cassandra.config.GuardrailsOptions");
            if (guardrails != null)
            {
                conf.set(null, read); // as in a server, where guardrails look at more than their own
                guardrails.getConstructor(config).newInstance(read);
            }
            return "ok";
        }
        catch (InvocationTargetException e)
        {
            Throwable t = e.getCause();
            while (t.getCause() != null && (t.getMessage() == null || t.getMessage().startsWith("Invalid yaml:"))) t = t.getCause();
            return "refused: " + String.valueOf(t.getMessage()).replaceAll("\\s+", " ");
        }
        finally { Files.delete(file); }
    }

    // plain reads as 1.2 does, which has no loader of its own.
    static String plain(Path file) throws Exception
    {
        try (InputStream in = Files.newInputStream(file))
        {
            Class<?> constructor = Class.forName("org.yaml.snakeyaml.constructor.Constructor"), yaml = Class.forName("org.yaml.snakeyaml.Yaml");
            Object reader = Class.forName("org.yaml.snakeyaml.Loader").getConstructor(Class.forName("org.yaml.snakeyaml.constructor.BaseConstructor"))
                .newInstance(constructor.getConstructor(Class.class).newInstance(config));
            reader = yaml.getConstructor(Class.forName("org.yaml.snakeyaml.Loader")).newInstance(reader);
            yaml.getMethod("load", InputStream.class).invoke(reader, in);
            return "ok";
        }
        catch (InvocationTargetException e) { return "refused: " + String.valueOf(e.getCause().getMessage()).replaceAll("\\s+", " "); }
    }
}
