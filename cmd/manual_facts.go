package cmd

import (
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/manual"
	"github.com/least-privilege/lpm/registry/xdg"
)

// facts are what the page of a verb says that cobra does not know. A verb below
// another, such as "key new", has those of the upper one.
func facts(c *cobra.Command, date time.Time) manual.Facts {
	verb := c
	for verb.HasParent() && verb.Parent().HasParent() {
		verb = verb.Parent()
	}
	f := manual.Facts{Date: date, Codes: exitCodes(verb.Name()), Files: places()}
	for _, v := range environment() {
		if verb == verb.Root() || v.verbs == nil || slices.Contains(v.verbs, verb.Name()) {
			f.Variables = append(f.Variables, v.Entry)
		}
	}
	return f
}

// exitCodes are those of a verb; see exit.go.
func exitCodes(verb string) []manual.Entry {
	signal := manual.Entry{Name: "128+n", Meaning: "signal n ended lpm: 130 for Ctrl-C"}
	done, failed := manual.Entry{Name: "0", Meaning: "done"}, manual.Entry{Name: "1", Meaning: "there was an error"}
	usage := manual.Entry{Name: "2", Meaning: "the command line is wrong, or there was a question and no terminal to ask it on"}
	switch verb {
	case "run":
		return []manual.Entry{
			{Name: "125", Meaning: "lpm failed or refused, or the command line is wrong"},
			{Name: "126", Meaning: "the program cannot be executed"},
			{Name: "127", Meaning: "the program is not there"},
			{Name: "128+n", Meaning: "signal n ended the program"},
			{Name: "other", Meaning: "the program's own"},
		}
	case "check":
		return []manual.Entry{
			{Name: "0", Meaning: "the manifest keeps to the policy"},
			{Name: "1", Meaning: "it does not"},
			{Name: "2", Meaning: "the command line is wrong"},
			{Name: "3", Meaning: "there is no verdict: something is missing, invalid or cannot be evaluated"},
			signal,
		}
	case "diff":
		return []manual.Entry{
			{Name: "0", Meaning: "nothing more is asked for"},
			{Name: "1", Meaning: "more is asked for"},
			{Name: "2", Meaning: "the command line is wrong"},
			{Name: "3", Meaning: "there was an error, and nothing was compared"},
			signal,
		}
	case "analyze":
		other := manual.Entry{Name: "other", Meaning: "the code of the image's command or of the exercise, which failed"}
		return []manual.Entry{done, failed, usage, signal, other}
	case "export":
		failed.Meaning = "there was an error, or with --strict, something cannot be said"
	case "inspect":
		failed.Meaning = "there is no valid manifest, or there was an error"
	case "validate":
		failed.Meaning = "a manifest is not valid, or there was an error"
	case "verify":
		failed.Meaning = "something is damaged, or there was an error"
	case "doctor":
		failed.Meaning = "something is missing, or could not be told, without which lpm run does not work"
	}
	return []manual.Entry{done, failed, usage, signal}
}

// variable is one of the environment, with the verbs that read it; nil for all.
type variable struct {
	manual.Entry
	verbs []string
}

func environment() []variable {
	registries := []string{"pull", "copy", "attach", "inspect", "explain", "diff", "check", "export", "approve", "revoke"}
	containers := []string{"run", "analyze", "doctor"}
	return []variable{
		{manual.Entry{Name: "DBUS_SESSION_BUS_ADDRESS", Meaning: "where the user's systemd is asked for a control group, beside its usual places"}, containers},
		{manual.Entry{Name: "DOCKER_CONFIG", Meaning: "the folder of the docker config, config.json, with the credentials of registries (otherwise ~/.docker)"}, registries},
		{manual.Entry{Name: "HOME", Meaning: "the folder that ~ stands for here"}, nil},
		{manual.Entry{Name: "HTTPS_PROXY", Meaning: "the proxy for registries"}, registries},
		{manual.Entry{Name: "HTTP_PROXY", Meaning: "the proxy for registries over plain HTTP"}, registries},
		{manual.Entry{Name: "LPM_KEY_PASSPHRASE", Meaning: "the passphrase of the private key that signs"}, []string{"approve", "revoke", "key"}},
		{manual.Entry{Name: "NO_COLOR", Meaning: "if it is not empty, nothing is coloured"}, nil},
		{manual.Entry{Name: "NO_PROXY", Meaning: "the hosts to which no proxy leads"}, registries},
		{manual.Entry{Name: "PATH", Meaning: "where newuidmap and newgidmap are looked for, and the commands of exercises"}, containers},
		{manual.Entry{Name: "REGISTRY_AUTH_FILE", Meaning: "a file like the docker config, which is read where there is no docker config"}, registries},
		{manual.Entry{Name: "SSL_CERT_DIR", Meaning: "folders with the certificates of the authorities that vouch for registries, in place of the system's"}, registries},
		{manual.Entry{Name: "SSL_CERT_FILE", Meaning: "a file of such certificates, in place of the system's"}, registries},
		{manual.Entry{Name: "TERM", Meaning: "with the value dumb, nothing is coloured and no progress drawn"}, nil},
		{manual.Entry{Name: "USER", Meaning: "the account's name, for its lines in /etc/subuid and /etc/subgid where /etc/passwd does not have it"}, containers},
		{manual.Entry{Name: "XDG_CONFIG_HOME", Meaning: "the folder of settings (otherwise ~/.config)"}, nil},
		{manual.Entry{Name: "XDG_DATA_HOME", Meaning: "the folder of the store (otherwise ~/.local/share)"}, nil},
		{manual.Entry{Name: "XDG_RUNTIME_DIR", Meaning: "where the user's systemd is, beside its usual place"}, containers},
	}
}

// places are the files and folders of every verb.
func places() []manual.Entry {
	return []manual.Entry{
		{Name: "~/.local/share/lpm", Meaning: "the store: images, manifests and approvals, as an OCI image layout; unpacked trees, prepared launches and volumes"},
		{Name: "~/.config/lpm/keys", Meaning: "your private keys"},
		{Name: "~/.config/lpm/trust.d", Meaning: "the public keys, NAME.pub, whose approvals count for you"},
		{Name: xdg.SystemTrust, Meaning: "those whose approvals count for everyone"},
	}
}
