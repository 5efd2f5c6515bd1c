package front

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// read parses a command line as the whole program does.
func read(args []string) (f Flags, image string, err error) {
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	set.SetInterspersed(false)
	for _, flag := range f.all() {
		short := ""
		if flag.Short != 0 {
			short = string(rune(flag.Short))
		}
		switch v := flag.Value.(type) {
		case *bool:
			set.BoolVarP(v, flag.Name, short, false, "")
		case *string:
			set.StringVarP(v, flag.Name, short, "", "")
		case *[]string:
			set.StringArrayVarP(v, flag.Name, short, nil, "")
		}
	}
	if err := set.Parse(args); err != nil {
		return f, "", err
	}
	if set.NArg() == 0 {
		return f, "", pflag.ErrHelp
	}
	f.Complete(set.Args()[1:])
	return f, set.Arg(0), nil
}

// commandLines are those of people, right and wrong.
func commandLines() []string {
	return []string{
		"redis", "redis -- --port 1", "redis -- --", "redis -it", "-- redis", "-- redis -- a",
		"-it debian -- bash", "-ti debian bash", "-e A=b -e C redis", "-eA=b redis", "-e=A=b redis", "--env=A=b redis", "--env A=b redis",
		"-w /x redis", "--workdir=/x redis", "-itw /x redis", "-itw/x redis", "--entrypoint /a --entrypoint=/b redis -- c",
		"--denials f redis", "--ask redis", "--ask --trace-files -v redis", "-v --best-effort -q redis", "--denials= redis", "-w= redis",
		"", "-it", "-e", "--env", "--frobnicate redis", "-z redis", "-iz redis", "--tty=true redis", "--tty=maybe redis",
		"- redis", "--", "---tty redis", "--=x redis", "-i=true redis", "--dry-run redis", "-o json --dry-run redis", "-it --init redis",
	}
}

// TestParse: what the front process reads is what the whole program reads, and
// what it does not read is left to that.
func TestParse(t *testing.T) {
	t.Setenv("C", "from here")
	understood := 0
	for _, line := range commandLines() {
		t.Run(line, func(t *testing.T) {
			args := strings.Fields(line)
			var got Flags
			image, ok := got.parse(slices.Clone(args))
			if !ok {
				return
			}
			understood++
			want, wantImage, err := read(args)
			if err != nil {
				t.Fatalf("%q is read here, and is %v there", line, err)
			}
			if image != wantImage || !reflect.DeepEqual(got, want) {
				t.Errorf("image %q, %+v\nwant %q, %+v", image, got, wantImage, want)
			}
		})
	}
	if understood < 20 {
		t.Errorf("only %d lines are read here", understood)
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range commandLines() {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		var got Flags
		image, ok := got.parse(slices.Clone(args))
		if !ok {
			return
		}
		want, wantImage, err := read(args)
		if err != nil || image != wantImage || !reflect.DeepEqual(got, want) {
			t.Errorf("image %q, %+v\nwant %q, %+v, %v", image, got, wantImage, want, err)
		}
	})
}

// TestArguments: a command line that was read is handed on in a form that is
// read as the same.
func TestArguments(t *testing.T) {
	t.Setenv("C", "from here")
	for _, line := range commandLines() {
		want, image, err := read(strings.Fields(line))
		if err != nil {
			continue
		}
		var got Flags
		gotImage, ok := got.parse(want.Arguments(image))
		if !ok || gotImage != image || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, %t, %+v\nwant %q, %+v", line, gotImage, ok, got, image, want)
		}
	}
}

// TestKey: two command lines share what was prepared if and only if nothing of
// it depends on what they differ in.
func TestKey(t *testing.T) {
	key := func(line string) string {
		var f Flags
		image, ok := f.parse(strings.Fields(line))
		if !ok {
			t.Fatalf("%q is not read", line)
		}
		return f.key(image, "")
	}
	plain := key("redis")
	for _, line := range []string{"redis -- a b", "-v redis", "-q redis", "-i redis", "-e A=b redis", "--denials x redis"} {
		if key(line) != plain {
			t.Errorf("%q is prepared apart from the plain command", line)
		}
	}
	seen := map[string]string{plain: "redis"}
	for _, line := range []string{"redis:7", "-t redis", "-w /x redis", "-w /y redis", "--entrypoint /x redis", "--init redis", "--best-effort redis", "-e PATH=/x redis"} {
		if other, taken := seen[key(line)]; taken {
			t.Errorf("%q shares what was prepared for %q", line, other)
		}
		seen[key(line)] = line
	}
}
