package run

import (
	"context"
	"fmt"
	"path"

	"crossring/internal/deploy/prepare"
	"crossring/internal/pki"
	"crossring/internal/pki/store"
	"crossring/internal/topology"
)

const (
	// requestScript makes a key on the machine, if there is none that waits, and
	// prints a signing request. The key is root's until the certificate is there.
	requestScript = `umask 077
mkdir -p "$1"
case $2 in
ecdsa-p256) set -- "$1" ec -pkeyopt ec_paramgen_curve:P-256 ;;
ecdsa-p384) set -- "$1" ec -pkeyopt ec_paramgen_curve:P-384 ;;
rsa-2048) set -- "$1" rsa:2048 ;;
rsa-3072) set -- "$1" rsa:3072 ;;
esac
dir=$1; shift
command -v openssl >/dev/null || { echo "openssl is not installed: apt-get install openssl" >&2; exit 1; }
kind=$1; shift
openssl req -new -newkey "$kind" "$@" -nodes -keyout "$dir/new.key" -subj /CN=node -batch 2>/dev/null`
	// identityScript puts key and chain together: as PEM, or through PKCS#12 into a
	// JKS store, which Java makes itself.
	identityScript = `umask 077
dir=$1 kind=$2 user=$3 java=$4
password=$5
cd "$dir"
openssl pkcs8 -topk8 -nocrypt -in new.key -out new.key8
if [ "$kind" = pem ]; then
  cat new.key8 chain.new >node.pem.new
  mv node.pem.new node.pem
else
  export password
  openssl pkcs12 -export -inkey new.key8 -in chain.new -name crossring -passout env:password -out new.p12
  keytool=$(dirname "$(readlink -f "$java")")/keytool
  [ -x "$keytool" ] || keytool=keytool
  rm -f node.jks.new
  "$keytool" -importkeystore -noprompt -srckeystore new.p12 -srcstoretype PKCS12 -srcstorepass:env password \
    -destkeystore node.jks.new -deststoretype JKS -deststorepass:env password -destkeypass:env password >/dev/null 2>&1
  mv node.jks.new node.jks
fi
rm -f new.key new.key8 new.p12
chmod 755 "$dir"
for f in node.pem node.jks; do
  [ -f $f ] || continue
  chmod 600 $f
  [ -z "$user" ] || chown "$user" $f
done
chmod 644 chain.new
mv chain.new chain.pem`
)

// remoteIdentity has the key made on the node's machine, signs its request here,
// and has the certificate put beside the key there.
func (w World) remoteIdentity(ctx context.Context, c cluster, d *pki.Dir, n topology.Node, r pki.NodeRequest, password string) error {
	m, err := c.machine(n)
	if err != nil {
		return err
	}
	dir := n.Layout.TLSDir()
	out, err := m.Script(ctx, "make a key", requestScript, dir, c.inv.Plan.TLS.Key)
	if err != nil {
		return err
	}
	if r.CSR, err = parseCSR([]byte(out)); err != nil {
		return fmt.Errorf("signing request of %s: %w", n.Name, err)
	}
	issued, trust, err := w.issueTo(ctx, c, d, r, password)
	if err != nil {
		return err
	}
	kind := c.storeKind()
	if err := m.Put(ctx, path.Join(dir, "ca"+extension(kind)), trust, 0o644); err != nil {
		return err
	}
	if err := m.Put(ctx, path.Join(dir, "chain.new"), store.EncodeCertificates(issued), 0o600); err != nil {
		return err
	}
	java := "java"
	if n.Host != nil && n.Host.Java != "" {
		java = n.Host.Java
	}
	_, err = m.Script(ctx, "put the certificate beside its key", identityScript, dir, kind, prepare.User(n), java, password)
	return err
}
