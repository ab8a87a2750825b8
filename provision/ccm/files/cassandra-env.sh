# What differs between the nodes of one installation; ccm sets the port of each. Read
# where crossring has written no jvm.options for the node.
JMX_PORT="7199"
MAX_HEAP_SIZE=${MAX_HEAP_SIZE:-1024M}
JVM_OPTS="$JVM_OPTS -Xms$MAX_HEAP_SIZE -Xmx$MAX_HEAP_SIZE"
JVM_OPTS="$JVM_OPTS -Dcassandra.storagedir=$CASSANDRA_CONF/.."
