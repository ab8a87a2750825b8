// Starts nodetool of 3.11 on Java 9 or later. It looks for a class that such a Java does
// not have, and while it says so asks a configuration that is not there: it gets one
// first, and says nothing. Run from its source, java Nodetool.java.
public class Nodetool {
    public static void main(String[] args) {
        ((ch.qos.logback.classic.Logger) org.slf4j.LoggerFactory.getLogger("org.apache.cassandra.io.util.FileUtils"))
                .setLevel(ch.qos.logback.classic.Level.OFF);
        org.apache.cassandra.config.DatabaseDescriptor.clientInitialization();
        org.apache.cassandra.tools.NodeTool.main(args);
    }
}
