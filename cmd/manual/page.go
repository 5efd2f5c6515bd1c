package manual

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Facts are what a page says beside what the command itself says.
type Facts struct {
	// Date is when the text was last changed, as the page shows it.
	Date time.Time
	// Codes are the exit codes, in the order in which they are shown.
	Codes []Entry
	// Variables are those of the environment that the command reads, and
	// Files the files and folders.
	Variables, Files []Entry
}

// Entry is a line of a table: a code, variable or file, and its meaning.
type Entry struct{ Name, Meaning string }

// Name is the name of a command's page: "lpm-run" for "lpm run".
func Name(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// Write writes the page of a command. The errors are those of w.
func Write(w io.Writer, c *cobra.Command, f Facts) error {
	p := &printer{}
	p.head(c, f.Date)
	p.synopsis(c)
	p.description(c)
	p.options(c)
	p.entries("ENVIRONMENT", "Ev ", f.Variables)
	p.entries("FILES", "Pa ", f.Files)
	p.entries("EXIT STATUS", "", f.Codes)
	p.examples(c)
	p.related(c)
	_, err := w.Write(p.out.Bytes())
	return err
}

// printer gathers a page.
type printer struct{ out bytes.Buffer }

func (p *printer) line(text string) {
	p.out.WriteString(text)
	p.out.WriteByte('\n')
}

func (p *printer) head(c *cobra.Command, date time.Time) {
	p.line(".Dd " + date.UTC().Format("January 2, 2006"))
	p.line(".Dt " + strings.ToUpper(Name(c)) + " 1")
	p.line(".Os lpm")
	p.line(".Sh NAME")
	p.line(".Nm " + Name(c))
	p.line(".Nd " + argument(uncapital(c.Short)))
}

// synopsis writes the ways to call the command, which its line of usage
// separates by " | ".
func (p *printer) synopsis(c *cobra.Command) {
	p.line(".Sh SYNOPSIS")
	ways := strings.Split(strings.TrimPrefix(c.Use, c.Name()), " | ")
	if len(visible(c)) > 0 {
		ways = []string{"COMMAND [ARGUMENT]..."}
	}
	for _, way := range ways {
		// Cobra adds the path to the first way alone.
		way = strings.TrimPrefix(way, c.Name()+" ")
		p.line(".Nm " + argument(c.CommandPath()))
		p.line(".Op Ar option ...")
		if words := synopsisWords(way); words != "" {
			p.line("." + words)
		}
	}
}

// synopsisToken is a bracket, a bar, dots or a word.
var synopsisToken = regexp.MustCompile(`\.\.\.|[][|]|[^][| .]+(\.[^][| .]+)*`)

// synopsisWords returns what follows a command's name as mdoc's macros.
func synopsisWords(text string) string {
	var words []string
	for _, token := range synopsisToken.FindAllString(text, -1) {
		switch {
		case token == "[":
			words = append(words, "Oo")
		case token == "]":
			words = append(words, "Oc")
		case token == "|" || token == "...":
			words = append(words, token)
		case strings.HasPrefix(token, "-"):
			words = append(words, "Fl", argument(token[1:]))
		default:
			words = append(words, "Ar", argument(token))
		}
	}
	return strings.Join(words, " ")
}

// description leaves out the paragraph on exit codes, which have a section.
func (p *printer) description(c *cobra.Command) {
	p.line(".Sh DESCRIPTION")
	var blocks []string
	for block := range strings.SplitSeq(cmp.Or(c.Long, c.Short+"."), "\n\n") {
		if !strings.HasPrefix(block, "Exit codes") {
			blocks = append(blocks, block)
		}
	}
	p.prose(strings.Join(blocks, "\n\n"))
	verbs := visible(c)
	if len(verbs) == 0 {
		return
	}
	p.line(".Pp")
	p.line("The commands, each of which has a page of its own:")
	p.line(".Bl -tag -width Ds")
	for _, verb := range verbs {
		p.line(".It Xr " + Name(verb) + " 1")
		p.fill(verb.Short + ".")
	}
	p.line(".El")
}

func (p *printer) options(c *cobra.Command) {
	var flags []*pflag.Flag
	c.InitDefaultHelpFlag()
	for _, set := range []*pflag.FlagSet{c.NonInheritedFlags(), c.InheritedFlags()} {
		set.VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				flags = append(flags, f)
			}
		})
	}
	p.line(".Sh OPTIONS")
	p.line(".Bl -tag -width Ds")
	for _, f := range flags {
		metavar, usage := pflag.UnquoteUsage(f)
		item := ".It "
		if f.Shorthand != "" {
			item += "Fl " + argument(f.Shorthand) + " , "
		}
		item += "Fl " + argument("-"+f.Name)
		if metavar != "" {
			item += " Ar " + argument(metavar)
		}
		p.line(item)
		p.fill(capital(usage) + defaultOf(f) + ".")
	}
	p.line(".El")
}

// defaultOf says what holds where a flag is not given, unless that is nothing.
func defaultOf(f *pflag.Flag) string {
	if slices.Contains([]string{"", "false", "0", "0s", "[]"}, f.DefValue) {
		return ""
	}
	return " (default " + f.DefValue + ")"
}

// entries writes a table, with names marked up by a macro, or by none.
func (p *printer) entries(heading, macro string, list []Entry) {
	if len(list) == 0 {
		return
	}
	p.line(".Sh " + heading)
	p.line(".Bl -tag -width Ds")
	for _, e := range list {
		p.line(".It " + macro + argument(e.Name))
		p.fill(capital(e.Meaning) + ".")
	}
	p.line(".El")
}

func (p *printer) examples(c *cobra.Command) {
	if c.Example != "" {
		p.line(".Sh EXAMPLES")
		p.literal(c.Example)
	}
}

// related names the pages of the command above, of those beside it and below.
func (p *printer) related(c *cobra.Command) {
	var names []string
	if parent := c.Parent(); parent != nil {
		names = append(names, Name(parent))
		for _, each := range visible(parent) {
			if each != c {
				names = append(names, Name(each))
			}
		}
	}
	for _, each := range visible(c) {
		names = append(names, Name(each))
	}
	slices.Sort(names)
	p.line(".Sh SEE ALSO")
	for i, name := range names {
		end := " ,"
		if i == len(names)-1 {
			end = ""
		}
		p.line(fmt.Sprintf(".Xr %s 1%s", name, end))
	}
}

// visible are the verbs of a command that have pages. Cobra's own are for
// shells, and for those who read no page.
func visible(c *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(c.Commands()), func(v *cobra.Command) bool {
		return !v.IsAvailableCommand() || v.Name() == "completion" || v.Name() == "help"
	})
}

// Pages calls visit with a command and all below it that have pages.
func Pages(c *cobra.Command, visit func(*cobra.Command) error) error {
	if err := visit(c); err != nil {
		return err
	}
	for _, each := range visible(c) {
		if err := Pages(each, visit); err != nil {
			return err
		}
	}
	return nil
}

// capital returns a text with a capital letter at its start, unless its first
// word is not one of ordinary language.
func capital(text string) string { return first(text, strings.ToUpper) }

func uncapital(text string) string { return first(text, strings.ToLower) }

func first(text string, change func(string) string) string {
	if word, _, _ := strings.Cut(text, " "); word != "lpm" && strings.ToUpper(word) != word {
		return change(text[:1]) + text[1:]
	}
	return text
}
