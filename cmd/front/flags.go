package front

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Flags are what the command line of lpm run can say.
type Flags struct {
	plan.Options
	Interactive bool
	Verbose     bool
	Quiet       bool
	DryRun      bool
	// Ask says to ask a person before something is refused.
	Ask bool
	// Denials is the file to write what was refused to, and Output the form
	// of a dry run.
	Denials string
	Output  string

	// What the flags of these names say, before Complete.
	programs, settings, envFiles, volumes, ports []string
}

// Flag is one flag of lpm run. The front process and the whole program parse
// the same command lines, each in its own way, by one table.
type Flag struct {
	Name  string
	Short byte // 0 for none
	Usage string
	// Value points to a bool, a string or a []string, which gathers.
	Value any
	// Apart marks flags that make no difference to what is prepared.
	Apart bool
}

// Table returns the flags, with the values in f.
func (f *Flags) Table() []Flag {
	return []Flag{
		{Name: "interactive", Short: 'i', Value: &f.Interactive, Apart: true,
			Usage: "pass standard input on (otherwise it is empty)"},
		{Name: "tty", Short: 't', Value: &f.TTY,
			Usage: "give the container a terminal of its own"},
		{Name: "env", Short: 'e', Value: &f.settings, Apart: true,
			Usage: "set the environment variable `NAME=VALUE`; NAME alone takes its value from here"},
		{Name: "env-file", Value: &f.envFiles, Apart: true,
			Usage: "set the environment variables of `FILE`, one NAME=VALUE or NAME a line"},
		{Name: "user", Short: 'u', Value: &f.User,
			Usage: "run as `USER[:GROUP]` instead of the image's user: names of the image, or numbers"},
		{Name: "workdir", Short: 'w', Value: &f.WorkingDir,
			Usage: "start in `FOLDER` instead of the image's own"},
		{Name: "entrypoint", Value: &f.programs,
			Usage: "start `PROGRAM` instead of the image's entry point, if the manifest grants it"},
		{Name: "hostname", Value: &f.Hostname,
			Usage: "`NAME` the container so for itself (otherwise lpm)"},
		{Name: "tz", Value: &f.TimeZone,
			Usage: "the time zone `NAME`, such as Europe/Berlin, or local, this machine's own (otherwise the image's)"},
		{Name: "volume", Value: &f.volumes,
			Usage: "mount `SOURCE:PATH[:ro]` where the manifest grants a mount: for a volume another one, or a folder; :ro takes writing away"},
		{Name: "no-mount", Value: &f.NoMounts,
			Usage: "leave out the mount at `PATH`, which the manifest has to say is optional"},
		{Name: "publish", Short: 'p', Value: &f.ports,
			Usage: "count on `[HOST:]CONTAINER` as a port of the host, which the manifest has to grant"},
		{Name: "init", Value: &f.Init,
			Usage: "start the program as a child of a first process that collects orphans and passes signals on"},
		{Name: "best-effort", Value: &f.BestEffort,
			Usage: "run although the host cannot enforce all of the manifest, and say what it cannot"},
		{Name: "verbose", Short: 'v', Value: &f.Verbose, Apart: true,
			Usage: "report what is refused at once"},
		{Name: "ask", Value: &f.Ask, Apart: true,
			Usage: "ask before something is refused (on a terminal, without -t)"},
		{Name: "trace-files", Value: &f.TraceFiles,
			Usage: "report files that are refused too, by path; it slows the opening of files down"},
		{Name: "dry-run", Value: &f.DryRun, Apart: true,
			Usage: "print the plan of the launch and start nothing"},
		{Name: "denials", Value: &f.Denials, Apart: true,
			Usage: "write what was refused to `FILE`, one JSON object a line"},
	}
}

// Complete takes the arguments behind the image's name, and reads what the
// flags say: variables that were named alone get the value they have here.
func (f *Flags) Complete(args []string) error {
	// What follows the image is the program's; only a "--" right there is
	// ours.
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	f.Args = args
	// The last one counts, as for every flag.
	if n := len(f.programs); n > 0 {
		f.Entrypoint = f.programs[n-1:]
	}
	var env []string
	for _, name := range f.envFiles {
		more, err := readEnvFile(name)
		if err != nil {
			return fmt.Errorf("--env-file: %w", err)
		}
		env = append(env, more...)
	}
	f.Env = FromHere(append(env, f.settings...))
	var err error
	if f.Volumes, err = Volumes(f.volumes); err != nil {
		return err
	}
	f.Ports = nil
	for _, text := range f.ports {
		p, err := parsePort(text)
		if err != nil {
			return fmt.Errorf("--publish %s: %w", text, err)
		}
		f.Ports = append(f.Ports, p)
	}
	return nil
}

// Arguments returns the flags and the rest of a command line in the plain form
// that the front process reads, without the verb.
func (f *Flags) Arguments(image string) []string {
	var args []string
	g := *f
	if !readableAgain(f.envFiles) {
		g.envFiles, g.settings = nil, f.Env
	}
	for _, flag := range g.all() {
		switch v := flag.Value.(type) {
		case *bool:
			if *v {
				args = append(args, "--"+flag.Name)
			}
		case *string:
			if *v != "" {
				args = append(args, "--"+flag.Name+"="+*v)
			}
		case *[]string:
			for _, each := range *v {
				args = append(args, "--"+flag.Name+"="+each)
			}
		}
	}
	return append(append(args, "--", image, "--"), f.Args...)
}

// all is the table with the flags that other verbs have too.
func (f *Flags) all() []Flag {
	return append(f.Table(),
		Flag{Name: "quiet", Short: 'q', Value: &f.Quiet, Apart: true},
		Flag{Name: "output", Short: 'o', Value: &f.Output, Apart: true})
}

// FromHere gives the variables that are named alone the value they have here,
// and leaves those out that have none, as docker does.
func FromHere(env []string) []string {
	var all []string
	for _, setting := range env {
		if strings.Contains(setting, "=") {
			all = append(all, setting)
		} else if value, ok := os.LookupEnv(setting); ok {
			all = append(all, setting+"="+value)
		}
	}
	return all
}

// parse reads the arguments of lpm run as far as they are of the plain forms
// that people write: --name, --name=value, --name value, -n, -nvalue, -n value
// and several short ones joined. It returns false for anything else, which the
// whole program then reads, and complains about.
func (f *Flags) parse(args []string) (image string, ok bool) {
	table := f.all()
	for len(args) > 0 {
		word := args[0]
		if word == "--" {
			args = args[1:]
			break
		}
		if len(word) < 2 || word[0] != '-' {
			break
		}
		args = args[1:]
		if name, long := strings.CutPrefix(word, "--"); long {
			name, value, given := strings.Cut(name, "=")
			i := slices.IndexFunc(table, func(t Flag) bool { return t.Name == name })
			if i < 0 || !table[i].set(value, given, &args) {
				return "", false
			}
			continue
		}
		for rest := word[1:]; rest != ""; {
			i := slices.IndexFunc(table, func(t Flag) bool { return t.Short != 0 && t.Short == rest[0] })
			if i < 0 {
				return "", false
			}
			rest = rest[1:]
			if _, isBool := table[i].Value.(*bool); isBool {
				table[i].set("", false, &args)
				continue
			}
			value := rest
			if len(rest) > 1 {
				value = strings.TrimPrefix(rest, "=")
			}
			if !table[i].set(value, rest != "", &args) {
				return "", false
			}
			rest = ""
		}
	}
	if len(args) == 0 {
		return "", false
	}
	// What can be read once is for the whole program to read.
	return args[0], readableAgain(f.envFiles) && f.Complete(args[1:]) == nil
}

// set gives the flag its value: the one that was written with it, or else the
// next argument.
func (t Flag) set(value string, given bool, args *[]string) bool {
	if on, isBool := t.Value.(*bool); isBool {
		*on = true
		return !given
	}
	if !given {
		if len(*args) == 0 {
			return false
		}
		value, *args = (*args)[0], (*args)[1:]
	}
	switch v := t.Value.(type) {
	case *string:
		*v = value
	case *[]string:
		*v = append(*v, value)
	}
	return true
}
