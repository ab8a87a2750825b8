# What differs between the nodes of one installation; ccm sets the port of each. Read
# where crossring has written no jvm.options for the node.
JMX_PORT="7199"
MAX_HEAP_SIZE=${MAX_HEAP_SIZE:-1024M}
JVM_OPTS="$JVM_OPTS -Xms$MAX_HEAP_SIZE -Xmx$MAX_HEAP_SIZE"
JVM_OPTS="$JVM_OPTS -Dcassandra.storagedir=$CASSANDRA_CONF/.."
JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.port=$JMX_PORT -Dcom.sun.management.jmxremote.rmi.port=$JMX_PORT"
JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.host=127.0.0.1 -Djava.rmi.server.hostname=127.0.0.1"
JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.authenticate=true -Dcom.sun.management.jmxremote.ssl=false"
JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.password.file=$CASSANDRA_CONF/jmx.password"
JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.access.file=$CASSANDRA_CONF/jmx.access"
JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.password.toHashes=false"
