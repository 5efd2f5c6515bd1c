package plan

import "slices"

// Defaults is what an image's program is started with where the caller makes
// no choice. With the caller's [Options] it gives what a prepared plan is
// completed with; see [Plan.Give].
type Defaults struct {
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	Env        []string `json:"env,omitempty"`
	// Prefix is the arguments that come before a script's own.
	Prefix []string `json:"prefix,omitempty"`
	Home   string   `json:"home"`
}

// Defaults returns what the image's program is started with.
func (i Image) Defaults() Defaults {
	return Defaults{
		Entrypoint: i.Config.Entrypoint, Cmd: i.Config.Cmd, Env: i.Config.Env,
		Prefix: i.Survey.Prefix, Home: i.Survey.Home,
	}
}

// Args returns the command line for the caller's options.
func (d Defaults) Args(o Options) ([]string, error) {
	command, err := Command(Config{Entrypoint: d.Entrypoint, Cmd: d.Cmd}, o)
	if err != nil {
		return nil, err
	}
	return withPrefix(command, d.Prefix), nil
}

// Environment returns the environment for the caller's options.
func (d Defaults) Environment(o Options) []string { return environment(d.Env, o, d.Home) }

// withPrefix puts a script's interpreter and its argument in the place of the
// command's first word.
func withPrefix(command, prefix []string) []string {
	if len(prefix) == 0 {
		return command
	}
	return append(slices.Clone(prefix), command[1:]...)
}
