package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed measure_test.js
var measure string

// measured is what measure_test.js returns.
type measured struct {
	Wrong            []string
	Texts            int
	Least            float64
	Folded, Unfolded int
	Background       string
	Scripted, Title  string
	Height           int
}

// screenshots names the folder that pictures are kept in.
const screenshots = "LPM_TEST_SCREENSHOTS"

// unfold is what a reader does who wants to see all of it.
const unfold = `document.querySelectorAll('details').forEach(d => d.open = true), true`

// TestInChromium looks at the page at the width of a phone and of a desk, in
// light, in dark and on paper: nothing is cut off or has to be scrolled for,
// every text stands out from what is behind it (WCAG 2.2, 1.4.3), nothing is
// loaded and no policy is broken. With LPM_TEST_SCREENSHOTS=FOLDER the pictures
// stay there, for a person to look at.
func TestInChromium(t *testing.T) {
	b := open(t)
	for _, name := range []string{"sample", "hostile"} {
		d := sample()
		if name == "hostile" {
			d = hostile()
		}
		address := kept(t, written(t, d))
		for _, view := range []struct {
			width         int
			media, scheme string
		}{
			{360, "screen", "light"}, {360, "screen", "dark"}, {1280, "screen", "light"}, {1280, "screen", "dark"},
			{700, "print", "light"}, {700, "print", "dark"},
		} {
			t.Run(fmt.Sprintf("%s/%d-%s-%s", name, view.width, view.media, view.scheme), func(t *testing.T) {
				b.t = t
				b.show(view.width, view.media, view.scheme)
				b.visit(address)
				var folded, all measured
				b.evaluate(measure, &folded)
				keep(t, b.picture(), fmt.Sprintf("%s-%d-%s-%s", name, view.width, view.media, view.scheme), view.width)
				var opened bool
				b.evaluate(unfold, &opened)
				b.evaluate(measure, &all)
				if os.Getenv(screenshots) != "" {
					keep(t, b.picture(), fmt.Sprintf("%s-%d-%s-%s-unfolded", name, view.width, view.media, view.scheme), view.width)
				}
				for _, wrong := range append(folded.Wrong, all.Wrong...) {
					t.Error(wrong)
				}
				if folded.Texts < 50 || all.Texts <= folded.Texts && view.media == "screen" {
					t.Errorf("%d texts were looked at, %d unfolded", folded.Texts, all.Texts)
				}
				t.Logf("the least contrast is %.2f of %d texts; %d high, %d unfolded", min(folded.Least, all.Least), all.Texts, folded.Height, all.Height)
				if want := map[string]int{"screen": 0, "print": folded.Folded}[view.media]; folded.Folded == 0 || folded.Unfolded != want {
					t.Errorf("%d of %d folded cells are shown, want %d", folded.Unfolded, folded.Folded, want)
				}
				dark := view.scheme == "dark" && view.media == "screen"
				if isDark := folded.Background == "rgb(18, 21, 26)"; isDark != dark {
					t.Errorf("the page is %s", folded.Background)
				}
				if len(b.requests) != 1 || b.requests[0] != address {
					t.Errorf("asked for %q", b.requests)
				}
				if len(b.complaints) > 0 || folded.Scripted != "undefined" {
					t.Errorf("the browser complains: %q; a script has run: %s", b.complaints, folded.Scripted)
				}
			})
		}
	}
}

// keep checks that a picture is one, and keeps it where a person wants to look
// at it.
func keep(t *testing.T, picture []byte, name string, width int) {
	t.Helper()
	shot, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	if got := shot.Bounds().Dx(); got != width {
		t.Errorf("the picture is %d wide, want %d", got, width)
	}
	if folder := os.Getenv(screenshots); folder != "" {
		if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// kept writes a page to a file and returns its address.
func kept(t *testing.T, page string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	return "file://" + file
}

// TestMeasureFinds holds the measure itself to pages that are wrong.
func TestMeasureFinds(t *testing.T) {
	b := open(t)
	b.show(360, "screen", "light")
	for what, test := range map[string]struct{ page, want string }{
		"grey on white": {`<p style="color: #777">text</p>`, "a contrast of 4.48"},
		"a long word":   {"<p>" + strings.Repeat("w", 200) + "</p>", "wide, of 360"},
		"small letters": {`<p style="font-size: 11px">text</p>`, "letters of 11px"},
		"cut off":       {`<div style="overflow: hidden"><p style="width: 400px">text</p></div>`, "it is outside"},
	} {
		b.visit(kept(t, "<!DOCTYPE html><body>"+test.page))
		var m measured
		b.evaluate(measure, &m)
		if !strings.Contains(strings.Join(m.Wrong, "\n"), test.want) {
			t.Errorf("%s: %q", what, m.Wrong)
		}
	}
	// What the page's policy forbids happens without it, and is noticed.
	b.visit(kept(t, `<!DOCTYPE html><body><script>globalThis.scripted=1</script><img src="nothing.png">`))
	var m measured
	b.evaluate(measure, &m)
	if m.Scripted != "number" || len(b.requests) != 2 || len(b.complaints) == 0 {
		t.Errorf("a script that ran: %s, requests %q, complaints %q", m.Scripted, b.requests, b.complaints)
	}
	page := strings.Replace(written(t, sample()), "<main>", `<script>globalThis.scripted=1</script><img src="nothing.png"><main style="color: red">`, 1)
	b.visit(kept(t, page))
	b.evaluate(measure, &m)
	if m.Scripted != "undefined" || len(b.complaints) < 3 {
		t.Errorf("a script that the policy forbids: %s, complaints %q", m.Scripted, b.complaints)
	}
}
