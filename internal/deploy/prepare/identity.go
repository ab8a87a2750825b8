package prepare

import (
	"context"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"path"
	"strings"
)

const (
	// requestScript makes a key on the machine and prints a signing request. The key is
	// root's until the certificate is there. With a subject the request says all that
	// the certificate is to have, and a key that waits for one is used again.
	requestScript = takeScript + `dir=$1 key=$2 conf=$3 user=$4 subject=$5 names=$6
umask 077
take "$conf" "$user"
mkdir -p "$dir"
bad=$(theirs "$dir" "$user")
[ -z "$bad" ] || { echo "theirs $bad"; exit 0; }
case $key in
ecdsa-p256) set -- ec -pkeyopt ec_paramgen_curve:P-256 ;;
ecdsa-p384) set -- ec -pkeyopt ec_paramgen_curve:P-384 ;;
rsa-2048) set -- rsa:2048 ;;
rsa-3072) set -- rsa:3072 ;;
esac
command -v openssl >/dev/null || { echo "openssl is not installed: apt-get install openssl" >&2; exit 1; }
if [ -n "$subject" ] && [ -s "$dir/new.key" ]; then set -- -key "$dir/new.key"
else
  kind=$1; shift
  set -- -newkey "$kind" "$@" -nodes -keyout "$dir/new.key"
fi
if [ -n "$subject" ]; then
  set -- "$@" -utf8 -addext "subjectAltName=$names" -addext extendedKeyUsage=serverAuth,clientAuth -addext keyUsage=critical,digitalSignature
fi
openssl req -new "$@" -subj "${subject:-/CN=node}" -batch 2>/dev/null`
	// identityScript puts key and chain together: as PEM, or through PKCS#12 into a
	// JKS store, which Java makes itself. The first line of standard input is the password:
	// arguments are there for everybody on the machine to read. The chain follows.
	identityScript = takeScript + `dir=$1 kind=$2 user=$3 java=$4 conf=$5
umask 077
IFS= read -r password
take "$conf" "$user"
bad=$(theirs "$dir" "$user")
[ -z "$bad" ] || { echo "$bad"; exit 0; }
cd "$dir"
cat >chain.new
openssl pkcs8 -topk8 -nocrypt -in new.key -out new.key8
if [ "$kind" = pem ]; then
  cat new.key8 chain.new >node.pem.new
  f=node.pem
else
  export password
  openssl pkcs12 -export -inkey new.key8 -in chain.new -name crossring -passout env:password -out new.p12
  keytool=$(dirname "$(readlink -f "$java")")/keytool
  [ -x "$keytool" ] || keytool=keytool
  rm -f node.jks.new
  "$keytool" -importkeystore -noprompt -srckeystore new.p12 -srcstoretype PKCS12 -srcstorepass:env password \
    -destkeystore node.jks.new -deststoretype JKS -deststorepass:env password -destkeypass:env password >/dev/null 2>&1 </dev/null
  f=node.jks
fi
rm -f new.key new.key8 new.p12
chmod 755 "$dir"
if [ -n "$user" ]; then
  chown "root:$(id -gn "$user")" $f.new
  chmod 640 $f.new
else chmod 600 $f.new; fi
mv -fT $f.new $f
chmod 644 chain.new
mv -fT chain.new chain.pem`
)

// MakeKey makes a key of a kind in a directory of the configuration and gives a request
// for its certificate, PEM. The key is taken into use by PutIdentity.
func (s Server) MakeKey(ctx context.Context, dir, kind string) ([]byte, error) {
	return s.request(ctx, dir, kind, "", "")
}

// WaitingKey is MakeKey for a certificate that somebody else signs: the request has the
// name, the addresses and the uses that it is to have, and the key is the same until
// PutIdentity takes it into use.
func (s Server) WaitingKey(ctx context.Context, dir, kind string, name pkix.Name, ips []netip.Addr) ([]byte, error) {
	var addresses []string
	for _, ip := range ips {
		addresses = append(addresses, "IP:"+ip.String())
	}
	return s.request(ctx, dir, kind, subject(name), strings.Join(addresses, ","))
}

// subject is a name as openssl req takes it: each part by its number, behind a slash.
func subject(name pkix.Name) string {
	var b strings.Builder
	escape := strings.NewReplacer(`\`, `\\`, "/", `\/`, "+", `\+`)
	for _, set := range name.ToRDNSequence() {
		for _, part := range set {
			fmt.Fprintf(&b, "/%s=%s", part.Type, escape.Replace(fmt.Sprint(part.Value)))
		}
	}
	return b.String()
}

func (s Server) request(ctx context.Context, dir, kind, subject, names string) ([]byte, error) {
	out, err := s.script(ctx, "make a key for", requestScript, dir, kind, s.Node.Layout.Conf, user(s.Node), subject, names)
	if err != nil {
		return nil, err
	}
	if bad, ok := strings.CutPrefix(out, "theirs "); ok {
		return nil, theirs(s.Node, bad)
	}
	return []byte(out), nil
}

// PutIdentity makes the key that MakeKey left, and the chain of its certificate, PEM, the
// node's: as node.pem, or node.jks with a password, and chain.pem.
func (s Server) PutIdentity(ctx context.Context, dir, kind string, chain []byte, password string) error {
	java := "java"
	if s.Node.Host != nil && s.Node.Host.Java != "" {
		java = s.Node.Host.Java
	}
	in := append([]byte(password+"\n"), chain...)
	out, err := s.Machine.ScriptIn(ctx, "put the certificate of "+s.Node.Name+" beside its key", identityScript, in,
		dir, kind, user(s.Node), java, path.Clean(s.Node.Layout.Conf))
	if err != nil {
		return err
	}
	return theirs(s.Node, out)
}
