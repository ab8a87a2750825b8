package yamlgen

import (
	"strings"
	"testing"

	"crossring/internal/release"
	"crossring/internal/release/releasetest"
	"crossring/internal/topology"

	"go.yaml.in/yaml/v4"
)

// Every series refuses plain text and peers without a certificate where the plan
// says TLS, in its own words, and says nothing of the kind where it does not.
func TestTLS(t *testing.T) {
	for _, rel := range release.All() {
		for _, tt := range []struct{ internode, client bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
			inv, env := gk(rel.Version), gkEnv()
			inv.Plan.TLS = &topology.TLSPlan{Internode: tt.internode, Client: tt.client}
			env.StorePassword = "secret word"
			files, err := Render(inv, inv.Nodes[0], env)
			if err != nil {
				t.Fatal(err)
			}
			var doc struct {
				Server map[string]any `yaml:"server_encryption_options"`
				Client map[string]any `yaml:"client_encryption_options"`
			}
			if err := yaml.Unmarshal(files[0].Data, &doc); err != nil {
				t.Fatal(err)
			}
			key, trust := Stores(inv.Nodes[0], rel)
			secured := func(what string, on bool, o map[string]any) {
				if !on {
					if _, ok := o["keystore"]; ok {
						t.Errorf("%s: %s is off and has a key store: that makes it optional", rel.Series, what)
					}
					return
				}
				if o["keystore"] != key || o["truststore"] != trust || o["require_client_auth"] != true {
					t.Errorf("%s: %s: %v", rel.Series, what, o)
				}
				if rel.PEMStores {
					factory, _ := o["ssl_context_factory"].(map[string]any)
					if factory["class_name"] != "org.apache.cassandra.security.PEMBasedSslContextFactory" || o["optional"] != false || o["keystore_password"] != nil {
						t.Errorf("%s: %s: %v", rel.Series, what, o)
					}
				} else if o["keystore_password"] != "secret word" || o["truststore_password"] != "secret word" || o["store_type"] != "JKS" {
					t.Errorf("%s: %s: %v", rel.Series, what, o)
				}
			}
			if want := map[bool]string{true: "all", false: "none"}[tt.internode]; doc.Server["internode_encryption"] != want || doc.Client["enabled"] != tt.client {
				t.Errorf("%s: %v, %v", rel.Series, doc.Server, doc.Client)
			}
			secured("internode", tt.internode, doc.Server)
			secured("client", tt.client, doc.Client)
			if verified := doc.Server["require_endpoint_verification"] == true; tt.internode && verified != rel.EndpointVerification {
				t.Errorf("%s: endpoint verification %v", rel.Series, verified)
			}
		}
	}
}

func TestStorePasswordIsNeeded(t *testing.T) {
	inv, env := gk(releasetest.Oldest()), gkEnv()
	inv.Plan.TLS = &topology.TLSPlan{Internode: true}
	if _, err := Render(inv, inv.Nodes[0], env); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("got %v", err)
	}
}
