package manifest

import (
	"fmt"
	"strconv"
	"strings"
)

// PortRange is the ports from From to To, both included. Its text form is
// "443" for one port and "8000-8100" for several.
type PortRange struct {
	From, To uint16
}

// Port returns the range of one port.
func Port(p uint16) PortRange { return PortRange{From: p, To: p} }

// Contains reports whether p is in the range.
func (r PortRange) Contains(p uint16) bool { return r.From <= p && p <= r.To }

// String returns the text form.
func (r PortRange) String() string {
	if r.From == r.To {
		return strconv.Itoa(int(r.From))
	}
	return fmt.Sprintf("%d-%d", r.From, r.To)
}

// MarshalText implements [encoding.TextMarshaler].
func (r PortRange) MarshalText() ([]byte, error) {
	if r.From == 0 || r.To < r.From {
		return nil, fmt.Errorf("port range %d-%d is empty or starts at 0", r.From, r.To)
	}
	return []byte(r.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]. It takes the text form
// that [PortRange.String] writes and no other spelling of it.
func (r *PortRange) UnmarshalText(text []byte) error {
	from, to, several := strings.Cut(string(text), "-")
	if !several {
		to = from
	}
	var got PortRange
	for _, end := range []struct {
		text string
		port *uint16
	}{{from, &got.From}, {to, &got.To}} {
		n, err := strconv.ParseUint(end.text, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("port %q is not a number from 1 to 65535", end.text)
		}
		*end.port = uint16(n)
	}
	if got.To < got.From || got.String() != string(text) {
		return fmt.Errorf("port range %q is not of the form 443 or 8000-8100", text)
	}
	*r = got
	return nil
}
