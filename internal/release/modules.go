package release

// modernExports and modernOpens are the module flags of Cassandra 5.0's own
// jvm17-server.options, with java.math added for RandomPartitioner before 5.0.
// 2.2 to 4.1 boot with the same ones.
var (
	modernExports = []string{
		"java.base/jdk.internal.misc",
		"java.base/java.lang.ref",
		"java.base/jdk.internal.ref",
		"java.base/sun.nio.ch",
		"java.management.rmi/com.sun.jmx.remote.internal.rmi",
		"java.rmi/sun.rmi.registry",
		"java.rmi/sun.rmi.server",
		"java.sql/java.sql",
	}
	modernOpens = []string{
		"java.base/java.lang.module",
		"java.base/jdk.internal.loader",
		"java.base/jdk.internal.ref",
		"java.base/jdk.internal.reflect",
		"java.base/jdk.internal.math",
		"java.base/jdk.internal.module",
		"java.base/jdk.internal.util.jar",
		"java.base/sun.nio.ch",
		"java.base/java.io",
		"java.base/java.lang",
		"java.base/java.lang.reflect",
		"java.base/java.util",
		"java.base/java.util.concurrent",
		"java.base/java.util.concurrent.atomic",
		"java.base/java.nio",
		"java.base/java.net",
		"java.base/java.math",
		"jdk.management/com.sun.management.internal",
		"java.rmi/sun.rmi.transport.tcp",
	}
)

// ModernExportsTo is the one export that does not go to the unnamed module.
const ModernExportsTo = "jdk.naming.dns/com.sun.jndi.dns=java.naming"
