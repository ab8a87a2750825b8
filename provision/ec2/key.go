package ec2

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/crypto/ssh"

	"crossring/internal/safely"
	"crossring/provision/ec2/cloud"
	"crossring/provision/ec2/ledger"
)

const generatedKey = "generated"

// publicKey is the public key that the hosts let in, in the form of an
// authorized_keys file. One that the plan wants generated is made once, and kept in
// the cluster's directory.
func (s *site) publicKey() (string, error) {
	file := s.st.Plan.EC2.Key
	if file == generatedKey {
		private := filepath.Join(s.dir, keyFile)
		if _, err := os.Stat(private); errors.Is(err, fs.ErrNotExist) {
			return makeKey(private, s.st.Plan.Name)
		}
		file = private + ".pub"
	}
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("reading the public key: %w", err)
		}
		file = filepath.Join(home, rest)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", &PlanError{Region: "the key pair", Problem: "reading the public key", Err: err, Fix: "write key: generated under ec2: in the spec"}
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey(data)
	switch {
	case err != nil:
		return "", &PlanError{Region: "the key pair", Problem: file + " is not an OpenSSH public key", Err: err, Fix: "ssh-keygen -y -f PRIVATE_KEY"}
	case key.Type() != ssh.KeyAlgoED25519 && key.Type() != ssh.KeyAlgoRSA || len(options) > 0:
		return "", &PlanError{Region: "the key pair", Problem: file + " has a key that EC2 does not import: it takes ED25519 and RSA, without options",
			Fix: "ssh-keygen -t ed25519; or write key: generated under ec2: in the spec"}
	}
	return strings.TrimSpace(string(data)), nil
}

// makeKey writes a new key pair, the private half last: where it is, both are.
func makeKey(path, name string) (string, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("making a key pair: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "crossring "+name)
	if err != nil {
		return "", fmt.Errorf("making a key pair: %w", err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("making a key pair: %w", err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " crossring-" + name
	if err := safely.Write(path+".pub", []byte(line+"\n"), 0o644); err != nil {
		return "", err
	}
	return line, safely.Write(path, pem.EncodeToMemory(block), 0o600)
}

// keyName is the name of the region's key pair.
func (s *site) keyName() string { return "crossring-" + s.st.Plan.Name + "-" + s.st.Run[:8] }

// keyPair imports the public key.
func (r *region) keyPair(ctx context.Context, public string) error {
	part := r.part("key-pair")
	if r.mem.Get("ImportKeyPair", part).Made() {
		return nil
	}
	_, err := r.clerk.Change(ctx, ledger.Mutation{Action: "ImportKeyPair", Part: part,
		Find: r.findPart(part, func(ctx context.Context, filters []types.Filter) (ids []*string, err error) {
			out, err := r.api.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{Filters: filters})
			if err == nil {
				for _, k := range out.KeyPairs {
					ids = append(ids, k.KeyPairId)
				}
			}
			return ids, err
		}),
		Call: func(ctx context.Context) (string, error) {
			out, err := r.api.ImportKeyPair(ctx, &ec2.ImportKeyPairInput{KeyName: aws.String(r.keyName()), PublicKeyMaterial: []byte(public),
				TagSpecifications: cloud.Specify(types.ResourceTypeKeyPair, r.tags(part))}, cloud.Once)
			if err != nil {
				return "", err
			}
			return aws.ToString(out.KeyPairId), nil
		}})
	return err
}
