// Real Java handshakes, both sides in one JVM, over memory: one for each case. Run from
// its source, java Judge.java DIR.
//
// DIR has a directory for each case, with
//   case         purpose (server, client, internode), IP or -, host or -, one line
//   roots.pem    the trust store        sent.pem  the chain, leaf first
//   key.der      the leaf's key, PKCS#8; optional: without, another one of its kind is
//                taken, and the handshake ends when the chain has been judged
//   crl.pem      revocation lists; optional
// and good.pem and good.der, the chain and key of the side that is not asked about. It
// prints "NAME ok" or "NAME refused why" for each.
import java.io.*;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.cert.Certificate;
import java.security.interfaces.ECPublicKey;
import java.security.interfaces.RSAPublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.*;
import javax.net.ssl.*;

public class Judge {
    static X509Certificate[] certificates(Path file) throws Exception {
        try (InputStream in = Files.newInputStream(file)) {
            Collection<? extends Certificate> all = CertificateFactory.getInstance("X.509").generateCertificates(in);
            return all.toArray(new X509Certificate[0]);
        }
    }

    static PrivateKey key(Path file, X509Certificate leaf) throws Exception {
        return KeyFactory.getInstance(leaf.getPublicKey().getAlgorithm()).generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(file)));
    }

    /** Another key of the kind of a certificate's. */
    static PrivateKey another(X509Certificate leaf) throws Exception {
        PublicKey own = leaf.getPublicKey();
        KeyPairGenerator g = KeyPairGenerator.getInstance(own.getAlgorithm().equals("EdDSA") ? "Ed25519" : own.getAlgorithm());
        if (own instanceof ECPublicKey) g.initialize(((ECPublicKey) own).getParams());
        if (own instanceof RSAPublicKey) g.initialize(((RSAPublicKey) own).getModulus().bitLength());
        return g.generateKeyPair().getPrivate();
    }

    /** What the trust managers of a side said of the other one's chain. */
    static class Verdict extends X509ExtendedTrustManager {
        final X509ExtendedTrustManager own;
        boolean said;
        Verdict(TrustManager[] t) { own = (X509ExtendedTrustManager) t[0]; }
        interface Check { void run() throws CertificateException; }
        void note(Check c) throws CertificateException { c.run(); said = true; }
        public void checkClientTrusted(X509Certificate[] c, String a) throws CertificateException { note(() -> own.checkClientTrusted(c, a)); }
        public void checkServerTrusted(X509Certificate[] c, String a) throws CertificateException { note(() -> own.checkServerTrusted(c, a)); }
        public void checkClientTrusted(X509Certificate[] c, String a, Socket s) throws CertificateException { note(() -> own.checkClientTrusted(c, a, s)); }
        public void checkServerTrusted(X509Certificate[] c, String a, Socket s) throws CertificateException { note(() -> own.checkServerTrusted(c, a, s)); }
        public void checkClientTrusted(X509Certificate[] c, String a, SSLEngine e) throws CertificateException { note(() -> own.checkClientTrusted(c, a, e)); }
        public void checkServerTrusted(X509Certificate[] c, String a, SSLEngine e) throws CertificateException { note(() -> own.checkServerTrusted(c, a, e)); }
        public X509Certificate[] getAcceptedIssuers() { return own.getAcceptedIssuers(); }
    }

    /** Ends well when the chain was taken, and with its own key the whole handshake was. */
    static void judged(Verdict v, boolean whole, SSLEngine a, SSLEngine b) throws Exception {
        try {
            shake(a, b);
        } catch (Exception e) {
            if (whole || !v.said) throw e;
        }
    }

    /** Hands out one chain, whatever the peer would like. */
    static class Keys extends X509ExtendedKeyManager {
        final X509Certificate[] chain;
        final PrivateKey key;
        Keys(X509Certificate[] chain, PrivateKey key) { this.chain = chain; this.key = key; }
        String alias(String type) { return type.startsWith(key.getAlgorithm().equals("EdDSA") ? "Ed" : key.getAlgorithm()) ? "own" : null; }
        public String[] getClientAliases(String t, Principal[] i) { return new String[] {"own"}; }
        public String[] getServerAliases(String t, Principal[] i) { return new String[] {"own"}; }
        public String chooseClientAlias(String[] t, Principal[] i, Socket s) { return "own"; }
        public String chooseServerAlias(String t, Principal[] i, Socket s) { return alias(t); }
        public String chooseEngineClientAlias(String[] t, Principal[] i, SSLEngine e) { return "own"; }
        public String chooseEngineServerAlias(String t, Principal[] i, SSLEngine e) { return alias(t); }
        public X509Certificate[] getCertificateChain(String a) { return chain; }
        public PrivateKey getPrivateKey(String a) { return key; }
    }

    /** Takes everybody: for the side that is not asked about. */
    static class Anybody extends X509ExtendedTrustManager {
        public void checkClientTrusted(X509Certificate[] c, String a) {}
        public void checkServerTrusted(X509Certificate[] c, String a) {}
        public void checkClientTrusted(X509Certificate[] c, String a, Socket s) {}
        public void checkServerTrusted(X509Certificate[] c, String a, Socket s) {}
        public void checkClientTrusted(X509Certificate[] c, String a, SSLEngine e) {}
        public void checkServerTrusted(X509Certificate[] c, String a, SSLEngine e) {}
        public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }

    static TrustManager[] trust(Path dir) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        int n = 0;
        for (X509Certificate c : certificates(dir.resolve("roots.pem"))) {
            store.setCertificateEntry("ca" + n++, c);
        }
        TrustManagerFactory f = TrustManagerFactory.getInstance("PKIX");
        Path crl = dir.resolve("crl.pem");
        if (!Files.exists(crl)) {
            f.init(store);
            return f.getTrustManagers();
        }
        PKIXBuilderParameters p = new PKIXBuilderParameters(store, new X509CertSelector());
        try (InputStream in = Files.newInputStream(crl)) {
            p.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(CertificateFactory.getInstance("X.509").generateCRLs(in))));
        }
        PKIXRevocationChecker r = (PKIXRevocationChecker) CertPathBuilder.getInstance("PKIX").getRevocationChecker();
        r.setOptions(EnumSet.of(PKIXRevocationChecker.Option.ONLY_END_ENTITY, PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
        p.addCertPathChecker(r);
        f.init(new CertPathTrustManagerParameters(p));
        return f.getTrustManagers();
    }

    static SSLEngine engine(KeyManager k, TrustManager[] t, boolean client, String peer) throws Exception {
        SSLContext c = SSLContext.getInstance("TLS");
        c.init(new KeyManager[] {k}, t, null);
        SSLEngine e = peer == null ? c.createSSLEngine() : c.createSSLEngine(peer, 7000);
        e.setUseClientMode(client);
        if (!client) e.setNeedClientAuth(true);
        if (peer != null) { // as Cassandra's require_endpoint_verification does
            SSLParameters p = e.getSSLParameters();
            p.setEndpointIdentificationAlgorithm("HTTPS");
            e.setSSLParameters(p);
        }
        return e;
    }

    static void shake(SSLEngine a, SSLEngine b) throws Exception {
        ByteBuffer ab = ByteBuffer.allocate(1 << 17), ba = ByteBuffer.allocate(1 << 17);
        a.beginHandshake();
        b.beginHandshake();
        boolean doneA = false, doneB = false;
        for (int i = 0; i < 1000; i++) {
            boolean moved = step(a, ab, ba) | step(b, ba, ab);
            doneA = a.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.NOT_HANDSHAKING;
            doneB = b.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.NOT_HANDSHAKING;
            if (doneA && doneB && ab.position() == 0 && ba.position() == 0) return;
            if (!moved) break;
        }
        throw new SSLException("the handshake stands still");
    }

    /** One side's turn: out and in are filled from the front, and emptied by compacting. */
    static boolean step(SSLEngine e, ByteBuffer out, ByteBuffer in) throws Exception {
        boolean moved = false;
        for (int i = 0; i < 100; i++) {
            switch (e.getHandshakeStatus()) {
                case NEED_TASK -> { for (Runnable r; (r = e.getDelegatedTask()) != null; ) r.run(); }
                case NEED_WRAP -> e.wrap(ByteBuffer.allocate(0), out);
                default -> {
                    if (in.position() == 0) return moved;
                    in.flip();
                    SSLEngineResult r = e.unwrap(in, ByteBuffer.allocate(1 << 16));
                    in.compact();
                    if (r.getStatus() != SSLEngineResult.Status.OK || r.bytesConsumed() == 0 && r.getHandshakeStatus() == SSLEngineResult.HandshakeStatus.NEED_UNWRAP) return moved;
                }
            }
            moved = true;
        }
        return moved;
    }

    static String cause(Throwable t) {
        while (t.getCause() != null) t = t.getCause();
        return (t.getClass().getSimpleName() + " " + t.getMessage()).replace('\n', ' ');
    }

    public static void main(String[] args) throws Exception {
        Path top = Path.of(args[0]);
        X509Certificate[] goodChain = certificates(top.resolve("good.pem"));
        Keys good = new Keys(goodChain, key(top.resolve("good.der"), goodChain[0]));
        TrustManager[] anybody = {new Anybody()};
        List<Path> dirs = new ArrayList<>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(top, Files::isDirectory)) { all.forEach(dirs::add); }
        for (Path dir : dirs) {
            String[] words = Files.readString(dir.resolve("case")).trim().split(" ");
            String peer = !words[1].equals("-") ? words[1] : !words[2].equals("-") ? words[2] : null;
            String verdict = "ok";
            try {
                X509Certificate[] chain = certificates(dir.resolve("sent.pem"));
                boolean whole = Files.exists(dir.resolve("key.der"));
                Keys own = new Keys(chain, whole ? key(dir.resolve("key.der"), chain[0]) : another(chain[0]));
                if (!words[0].equals("client")) {
                    Verdict v = new Verdict(trust(dir));
                    judged(v, whole, engine(good, new TrustManager[] {v}, true, peer), engine(own, anybody, false, null));
                }
                if (!words[0].equals("server")) {
                    Verdict v = new Verdict(trust(dir));
                    judged(v, whole, engine(own, anybody, true, null), engine(good, new TrustManager[] {v}, false, peer));
                }
            } catch (Exception e) {
                verdict = "refused " + cause(e);
            }
            System.out.println(dir.getFileName() + " " + verdict);
        }
    }
}
