package peers

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/least-privilege/lpm/manifest"
)

var update = flag.Bool("update", false, "write the goldens anew")

func sample(t *testing.T, name string) *manifest.Manifest {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func export(t *testing.T, m *manifest.Manifest, to Peer) *Export {
	t.Helper()
	x, err := New(m, to, "app")
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var samples = []string{"addresses", "host", "none", "private"}

func TestTexts(t *testing.T) {
	for _, name := range samples {
		for _, to := range Peers() {
			t.Run(name+"/"+string(to), func(t *testing.T) {
				m := sample(t, name)
				got := export(t, m, to).Text
				if digest, err := m.Digest(); err != nil || !strings.Contains(got, "\n# "+digest+"\n") {
					t.Errorf("%v, the text does not name the manifest %s", err, digest)
				}
				golden := filepath.Join("testdata", name+"."+string(to))
				if *update {
					if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil || got != string(want) {
					t.Errorf("%v, got\n%s", err, got)
				}
			})
		}
	}
}

// What is in another order is exported the same.
func TestTextsDependOnTheManifestAlone(t *testing.T) {
	m, n := sample(t, "private"), sample(t, "private")
	slices.Reverse(n.Network.Egress)
	slices.Reverse(n.Network.Listen)
	slices.Reverse(n.Network.Egress[len(n.Network.Egress)-1].Ports)
	for _, to := range Peers() {
		if a, b := export(t, m, to), export(t, n, to); a.Text != b.Text || !slices.Equal(a.Gaps, b.Gaps) {
			t.Errorf("%s: got\n%s\nand\n%s", to, a.Text, b.Text)
		}
	}
}

func TestGaps(t *testing.T) {
	for _, tt := range []struct {
		sample string
		to     Peer
		want   string
	}{
		{"none", NetworkPolicy, ""},
		{"none", NFTables, ""},
		{"none", Systemd, ""},
		{"addresses", NetworkPolicy, ""},
		{"addresses", NFTables, ""},
		{"addresses", Systemd, "missing network:private, wider egress:192.0.2.0/24:tcp/5432, missing listen:tcp/8080"},
		{"host", NetworkPolicy, "missing network:host"},
		{"host", NFTables, "missing network:host"},
		{"host", Systemd, "wider network:host"},
		{"private", NetworkPolicy, "wider network:private, missing egress:*.cdn.example.com:tcp/443, missing egress:127.0.0.1/32:tcp/9000, missing egress:198.51.100.0/24:icmp, missing egress:[2001:db8::/48]:icmp, missing egress:api.example.com:icmp, missing egress:api.example.com:tcp/443,8000-8100"},
		{"private", NFTables, "missing network:private, missing egress:*.cdn.example.com:tcp/443, missing egress:127.0.0.1/32:tcp/9000, missing egress:api.example.com:icmp, missing egress:api.example.com:tcp/443,8000-8100"},
		{"private", Systemd, "missing network:private, missing egress:*.cdn.example.com:tcp/443, wider egress:127.0.0.1/32:tcp/9000, wider egress:192.0.2.0/24:tcp/5432, wider egress:198.51.100.0/24:icmp, wider egress:[2001:db8::/48]:icmp, wider egress:[2001:db8::/48]:udp/53,123-124, missing egress:api.example.com:icmp, missing egress:api.example.com:tcp/443,8000-8100, missing listen:tcp/8080, wider listen:tcp/9090, missing listen:udp/5353"},
	} {
		x := export(t, sample(t, tt.sample), tt.to)
		var got []string
		for _, g := range x.Gaps {
			got = append(got, string(g.Effect)+" "+g.Permission)
			if !strings.Contains(x.Text, "# - "+g.Permission+", "+string(g.Effect)+":\n#   "+g.Why+"\n") {
				t.Errorf("%s to %s: the text does not say that %s is %s", tt.sample, tt.to, g.Permission, g.Effect)
			}
		}
		slices.Sort(got)
		want := strings.Split(tt.want, ", ")
		slices.Sort(want)
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("%s to %s:\ngot  %s\nwant %s", tt.sample, tt.to, strings.Join(got, ", "), strings.Join(want, ", "))
		}
	}
}

// A network policy reads back as what was meant, with no field too many.
func TestNetworkPolicyReadsBack(t *testing.T) {
	d := yaml.NewDecoder(strings.NewReader(export(t, sample(t, "private"), NetworkPolicy).Text))
	d.KnownFields(true)
	var p policy
	if err := d.Decode(&p); err != nil {
		t.Fatal(err)
	}
	if p.Kind != "NetworkPolicy" || !slices.Equal(p.Spec.PolicyTypes, []string{"Ingress", "Egress"}) || len(p.Spec.Ingress) != 2 || len(p.Spec.Egress) != 3 {
		t.Errorf("got %+v", p)
	}
	for _, r := range p.Spec.Egress {
		// Either list empty would be everything.
		if len(r.To) != 1 || len(r.Ports) == 0 {
			t.Errorf("a rule allows everything: %+v", r)
		}
	}
}

// No text of a manifest becomes a line of its own: without comments, a hostile
// manifest's text is that of the same manifest without reasons.
func TestReasonsStayInComments(t *testing.T) {
	hostile := []string{
		"x\\", `x"`, "x # y", "x\" accept", "'; } table inet y { chain z {", "- ipBlock: {cidr: 0.0.0.0/0}", "IPAddressAllow=any", "%s%n", "é世界", "{{", "...", "---", "include \"/etc/passwd\"",
	}
	for _, to := range Peers() {
		want := export(t, sample(t, "private"), to).Text
		for _, reason := range hostile {
			m := sample(t, "private")
			for i := range m.Network.Egress {
				m.Network.Egress[i].Reason = reason
			}
			for i := range m.Network.Listen {
				m.Network.Listen[i].Reason = reason
			}
			if got := export(t, m, to).Text; uncommented(got) != uncommented(want) {
				t.Errorf("%s with the reason %q:\n%s", to, reason, got)
			}
		}
	}
	m := sample(t, "private")
	for _, bad := range []string{"a\nIPAddressAllow=any", "a\rb", "a\u2028b", "a\u0085b", "a\x1b[2Jb"} {
		m.Network.Egress[0].Reason = bad
		if x, err := New(m, Systemd, "app"); err == nil {
			t.Errorf("the reason %q is exported: %s", bad, x.Text)
		}
		if text := about("id", bad); strings.ContainsAny(text, "\n\r\u2028\u0085\x1b") {
			t.Errorf("the comment has %q", text)
		}
	}
}

func uncommented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ source, want string }{
		{"app", "app"},
		{"registry.example:5000/team/App_2:1.2", "app-2"},
		{"app@sha256:" + strings.Repeat("a", 64), "app"},
		{"sha256:" + strings.Repeat("a", 64), "sha256"},
		{"dir/app.cue", "app"},
		{"oci:dir:tag", "oci"},
		{"...", "app"},
		{"-x-", "x"},
		{"世界", "app"},
		{"", "app"},
		{strings.Repeat("a", 62) + "/" + strings.Repeat("b", 62) + "_c", strings.Repeat("b", 62)},
	} {
		if got := Name(tt.source); got != tt.want {
			t.Errorf("the name of %q is %q, not %q", tt.source, got, tt.want)
		}
	}
	m := sample(t, "none")
	for _, bad := range []string{"", "A", "a b", "a\nb", "-a", "a-", "a.b", "a}", strings.Repeat("a", 64)} {
		if _, err := New(m, NFTables, bad); !errors.Is(err, ErrName) {
			t.Errorf("%q as a name: %v", bad, err)
		}
	}
	if _, err := New(m, "iptables", "app"); err == nil {
		t.Error("there is a peer iptables")
	}
	if _, err := New(new(manifest.Manifest), NFTables, "app"); err == nil {
		t.Error("an invalid manifest is exported")
	}
}

func TestTextsArePrintable(t *testing.T) {
	for _, name := range samples {
		for _, to := range Peers() {
			text := []byte(export(t, sample(t, name), to).Text)
			if i := bytes.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }); i >= 0 {
				t.Errorf("%s to %s has %q", name, to, text[i])
			}
		}
	}
}
