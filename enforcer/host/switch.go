package host

import (
	"context"
	"fmt"
	"strings"
)

// setting is a setting that can keep ordinary users from user namespaces.
type setting struct {
	// name is the finding's, off the content of path that keeps them from it.
	name, path, off string
	use             string
	cause, hint     string
}

func (m machine) switches() []setting {
	return []setting{
		{
			"max-user-namespaces", "/proc/sys/user/max_user_namespaces", "0",
			"user namespaces at all",
			"user namespaces are switched off (user.max_user_namespaces is 0)",
			"sudo sysctl user.max_user_namespaces=65536",
		},
		{
			// A patch that Debian and others carry.
			"unprivileged-userns-clone", "/proc/sys/kernel/unprivileged_userns_clone", "0",
			"user namespaces for ordinary users",
			"user namespaces are for root only (kernel.unprivileged_userns_clone is 0)",
			"sudo sysctl kernel.unprivileged_userns_clone=1",
		},
		{
			// Ubuntu, from 23.10 on.
			"apparmor-userns", "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
			"user namespaces for programs without an AppArmor profile",
			"AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)",
			m.apparmorProfile(),
		},
	}
}

// off tells whether a setting keeps ordinary users from user namespaces.
func (m machine) off(s setting) (bool, error) {
	value, err := m.read(s.path)
	return err == nil && strings.TrimSpace(value) == s.off, err
}

// apparmorProfile returns the command that gives this program a profile under
// which it may use user namespaces (apparmor.d(5), "userns"). A path that means
// more than itself to AppArmor or the shell is not written into one.
func (m machine) apparmorProfile() string {
	const all = "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+", r)
	}
	if m.executable == "" || strings.ContainsFunc(m.executable, func(r rune) bool { return !plain(r) }) {
		return all + " (or an AppArmor profile with userns for lpm)"
	}
	return fmt.Sprintf(`printf 'abi <abi/4.0>,\nprofile lpm %s flags=(unconfined) {\n  userns,\n}\n' | sudo tee /etc/apparmor.d/lpm`+
		` && sudo apparmor_parser -r /etc/apparmor.d/lpm (or, for every program: %s)`, m.executable, all)
}

// switchProbes ask for the settings. One that is off and does not bind this
// account, or this program, keeps lpm from nothing.
func (i *inspection) switchProbes() []probe {
	var all []probe
	for _, s := range i.switches() {
		f := Finding{Name: s.name, Use: s.use, Required: true, Hint: s.hint}
		all = append(all, probe{f, nil, func(_ context.Context, f Finding) Finding { return i.findSwitch(s, f) }})
	}
	return all
}

func (i *inspection) findSwitch(s setting, f Finding) Finding {
	value, err := i.read(s.path)
	if err != nil {
		return f.settle(false, err)
	}
	value = strings.TrimSpace(value)
	name := strings.ReplaceAll(strings.TrimPrefix(s.path, "/proc/sys/"), "/", ".")
	f.Detail = fmt.Sprintf("%s is %s", name, value)
	switch {
	case value == "":
		f.Detail = "this kernel has no " + name
	case value != s.off:
	case i.found["user-namespaces"] == Present:
		f.Detail += ", which does not bind this account or program"
	case i.found["user-namespaces"] == Missing:
		return f.settle(false, nil)
	default:
		return f.settle(false, fmt.Errorf("%s is %s, and whether that binds this account cannot be told", name, value))
	}
	return f.settle(true, nil)
}
