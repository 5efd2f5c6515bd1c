package page

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
)

// nodes returns all elements of a page in order.
func nodes(t *testing.T, text string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var list []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			list = append(list, n)
		}
	}
	return list
}

func attribute(n *html.Node, name string) (string, bool) {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// content returns the text of an element as a person reads it.
func content(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		switch {
		case d.Type == html.TextNode:
			b.WriteString(d.Data)
		case d.Type == html.ElementNode && !slices.Contains([]string{"bdi", "b", "span", "code", "strong"}, d.Data):
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// TestStructure is what a browser, a screen reader and a wiki need of the page.
func TestStructure(t *testing.T) {
	text := written(t, sample())
	if !strings.HasPrefix(text, "<!DOCTYPE html>\n<html lang=\"en\">") {
		t.Errorf("it begins with %.60q", text)
	}
	count, ids := map[string]int{}, map[string]bool{}
	depth := 0
	for _, n := range nodes(t, text) {
		count[n.Data]++
		if id, ok := attribute(n, "id"); ok {
			if ids[id] {
				t.Errorf("the ID %s is there twice", id)
			}
			ids[id] = true
		}
		if len(n.Data) == 2 && n.Data[0] == 'h' && n.Data[1] >= '1' && n.Data[1] <= '6' {
			level := int(n.Data[1] - '0')
			if level > depth+1 {
				t.Errorf("the heading %q skips a level", content(n))
			}
			depth = level
		}
		if n.Data == "th" {
			if scope, _ := attribute(n, "scope"); scope != "row" && scope != "col" {
				t.Errorf("the heading of cells %q has no scope", content(n))
			}
		}
		if n.Data == "table" && (n.FirstChild == nil || !hasChild(n, "caption")) {
			t.Error("a table has no caption")
		}
		if n.Data == "details" && !hasChild(n, "summary") {
			t.Error("what is folded has no summary")
		}
	}
	for _, once := range []string{"h1", "main", "header", "nav", "footer", "title", "style"} {
		if count[once] != 1 {
			t.Errorf("%d of %s", count[once], once)
		}
	}
	// What would load or do something.
	for _, never := range []string{"script", "link", "img", "iframe", "object", "embed", "form", "input", "base", "video", "audio"} {
		if count[never] > 0 {
			t.Errorf("there is a %s", never)
		}
	}
	for _, n := range nodes(t, text) {
		for _, a := range n.Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "srcset" {
				t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
			}
			if within, ok := strings.CutPrefix(a.Val, "#"); a.Key == "href" && ok && !ids[within] {
				t.Errorf("a link leads to %s, which is not there", a.Val)
			}
			if a.Key == "aria-labelledby" && !ids[a.Val] {
				t.Errorf("%s is labelled by %s, which is not there", n.Data, a.Val)
			}
		}
	}
	if strings.Contains(style, "url(") || strings.Contains(style, "@import") || strings.Contains(style, "</") {
		t.Error("the style loads something or ends itself")
	}
}

func hasChild(n *html.Node, name string) bool {
	for c := range n.ChildNodes() {
		if c.Data == name {
			return true
		}
	}
	return false
}

// TestSays holds the page to what the document says.
func TestSays(t *testing.T) {
	d := sample()
	page := content(nodes(t, written(t, d))[0])
	for _, want := range []string{
		d.Name, d.Image, d.Manifest, "18.3 MiB", "✓ Approved on 2026-02-01 12:00 UTC by Ada, key 0123456789ab", "Without syscall:ptrace.",
		"resource:memory Up to 32 MiB of memory 32 MiB, twice the peak", "2 older manifests", "sha256:" + strings.Repeat("3", 64) + " decoding: unexpected end",
		"System calls of 385 5 with certain arguments only 74 73 309", "Capabilities of 41 0 0 14",
		"Special 2 permissions", "The machine's own network", "Its author says network used by redis-server", "seen in 6 of 6 runs, by redis-server",
		"Trials show needed: fails without it", "18 needed, 19 not needed", "60 runs redis-server /etc/redis.conf exercised by redis-cli save",
		"12 known CVEs of those within reach", "ptrace optional denied", "never seen in 6 runs", "System calls: files 3 2 seen, 1 never seen",
		"CVEs within reach 40", "redis-benchmark -p $LPM_PORT", "2.786s, Linux 6.18.1", "on 2026-03-01 12:00 UTC",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	d.Approval = Approval{Word: "revoked", Text: "on 2026-02-02"}
	d.Levels, d.Runs, d.Vulnerabilities = nil, nil, nil
	page = content(nodes(t, written(t, d))[0])
	for _, want := range []string{"✕ Revoked on 2026-02-02", "It asks for nothing"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// attacks are what a manifest, a record or a registry may say.
const attacks = "<script>globalThis.scripted=1</script>\"'><img src=x onerror=globalThis.scripted=2> javascript:globalThis.scripted=3 " +
	"</style></title></textarea>--> {{.}} &lt; \u202egnp.exe\u2066 \x1b[2J \x00 \xff \u200b \n end"

// hostile is a document each of whose strings is an attack.
func hostile() *Document {
	d := sample()
	d.Approval.Granted = false
	// The table of vulnerabilities is lpm's own.
	known := d.Vulnerabilities
	d.Vulnerabilities = nil
	fill(reflect.ValueOf(d).Elem())
	d.Vulnerabilities = known
	for i := range d.Counts {
		for _, bar := range []*Bar{&d.Counts[i].AskedBar, &d.Counts[i].ApprovedBar, &d.Counts[i].DockerBar} {
			*bar = NewBar(1, 2)
		}
	}
	return d
}

// fill sets every string to the attacks.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(attacks)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	}
}

// TestHostile: whatever is said is only shown, wherever on the page it is.
func TestHostile(t *testing.T) {
	text := written(t, hostile())
	for _, r := range text {
		if r != '\n' && r != '\t' && render.Escape(string(r)) != string(r) {
			t.Fatalf("the page has the character %U", r)
		}
	}
	// The elements are those of a harmless page that has the same shape, and
	// the marks of escapes and imitations.
	harmless, got := map[string]int{}, map[string]int{}
	for _, n := range nodes(t, written(t, sample())) {
		harmless[n.Data]++
	}
	for _, n := range nodes(t, text) {
		got[n.Data]++
		for _, a := range n.Attr {
			if strings.Contains(a.Val, "scripted") {
				t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
	for _, name := range []string{"script", "img", "title", "style", "svg", "table", "tr", "th", "td", "details", "code", "a", "article"} {
		if got[name] != harmless[name] {
			t.Errorf("%d of %s, want %d", got[name], name, harmless[name])
		}
	}
	if got["span"] <= harmless["span"] {
		t.Error("nothing is marked as an escape")
	}
	for _, want := range []string{`\u202e`, `\u2066`, `\x1b`, `\x00`, `\xff`, `\u200b`, "{{.}}", "&amp;lt;", "&lt;script&gt;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestPieces: an escape is told from letters that read the same.
func TestPieces(t *testing.T) {
	for text, want := range map[string][]piece{
		"":                   nil,
		"plain é 中":          {{"plain é 中", false}},
		"a\u202e\u202eb":     {{"a", false}, {`\u202e\u202e`, true}, {"b", false}},
		`\u202e`:             {{`\u202e`, false}},
		"\x1b[0m":            {{`\x1b`, true}, {"[0m", false}},
		"\xff\ufffd":         {{`\xff`, true}, {"\ufffd", false}},
		"\U000e0041":         {{`\U000e0041`, true}},
		"tab\tand\nnew line": {{"tab", false}, {`\t`, true}, {"and", false}, {`\n`, true}, {"new line", false}},
	} {
		if got := pieces(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func TestLookalikesAreNamed(t *testing.T) {
	d := sample()
	d.Levels[1].Shown[0].Permission = manifest.Permission{ID: "execute:/bin/c\u0430t", Title: "Start /bin/c\u0430t", Level: manifest.Dangerous}
	if page := content(nodes(t, written(t, d))[0]); !strings.Contains(page, "U+0430 is Cyrillic among Latin letters") {
		t.Error("nothing is said of a letter of another script")
	}
	if page := written(t, sample()); strings.Contains(page, "Look twice") {
		t.Error("a warning of nothing")
	}
}

func TestBars(t *testing.T) {
	for want, bar := range map[Bar]Bar{"0": NewBar(0, 41), "1.0": NewBar(1, 1000), "50.0": NewBar(5, 10), "100.0": NewBar(12, 10)} {
		if bar != want {
			t.Errorf("%s, want %s", bar, want)
		}
	}
}

// failing refuses to be written to.
type failing struct{}

var errFull = errors.New("full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestErrorOfTheWriter(t *testing.T) {
	if err := Write(failing{}, sample()); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}
