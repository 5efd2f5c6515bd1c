package plan

import (
	"strconv"
	"strings"
)

// Op is one system call that the child makes. Its text form is what strace
// would print, so that a dry run and a trace can be laid side by side.
type Op struct {
	Call string `json:"call"`
	Args []Arg  `json:"args"`
	// Out names the descriptor that the call returns, for later operations.
	Out string `json:"out,omitempty"`
	// Want is the one result that counts as success, a number or the name of
	// an error; empty is any result that is not an error, "any" every one.
	Want string `json:"want,omitempty"`
	// About says what the operation is for.
	About string `json:"about,omitempty"`
}

// Arg is an argument of an [Op]: exactly one field is set but for Given, or
// none for a null pointer.
type Arg struct {
	// Text is passed as a pointer to a NUL-terminated string. Inside a
	// structure it is the bytes themselves, filled up with NUL.
	Text *string `json:"text,omitempty"`
	// Number is passed as it is.
	Number *int64 `json:"number,omitempty"`
	// Address is an IPv4 or IPv6 address, inside a structure, in the order of
	// the network.
	Address string `json:"address,omitempty"`
	// Bytes are bytes inside a structure, in hexadecimal.
	Bytes string `json:"bytes,omitempty"`
	// Flags is a constant's name, or several joined by "|".
	Flags string `json:"flags,omitempty"`
	// FD is the name of an earlier operation's descriptor.
	FD string `json:"fd,omitempty"`
	// Struct is passed as a pointer to its fields.
	Struct []Field `json:"struct,omitempty"`
	// Out is passed as a pointer to the number of that descriptor, which is
	// an int of four bytes.
	Out string `json:"out,omitempty"`
	// List is passed as a pointer to an array of strings, ended by null.
	List []string `json:"list,omitempty"`
	// Given marks a Text or List that differs from launch to launch of one
	// prepared plan; see [Plan.Give].
	Given Given `json:"given,omitempty"`
	// Filters is passed as a pointer to the plan's filters, as one program.
	Filters bool `json:"filters,omitempty"`
	// InitFilter is passed as a pointer to the filter of the plan's [Init].
	InitFilter bool `json:"initFilter,omitempty"`
}

// Given is something that the caller of a launch chooses.
type Given string

// What a launch is given.
const (
	GivenArgs    Given = "args"
	GivenEnv     Given = "env"
	GivenConsole Given = "console"
)

// Field is a member of a structure: Size bytes, in the machine's order.
type Field struct {
	Name  string `json:"name"`
	Size  int    `json:"size"`
	Value Arg    `json:"value"`
}

// String returns the operation as strace would print it.
func (o Op) String() string {
	var b strings.Builder
	b.WriteString(o.Call)
	b.WriteByte('(')
	for i, a := range o.Args {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.String())
	}
	b.WriteByte(')')
	switch {
	case o.Out != "":
		b.WriteString(" = " + o.Out)
	case o.Want != "":
		b.WriteString(" = " + o.Want)
	}
	return b.String()
}

// String returns the argument as strace would print it.
func (a Arg) String() string {
	switch {
	case a.Text != nil:
		return strconv.Quote(*a.Text)
	case a.Number != nil:
		return strconv.FormatInt(*a.Number, 10)
	case a.Address != "":
		return a.Address
	case a.Bytes != "":
		return "0x" + a.Bytes
	case a.Flags != "":
		return a.Flags
	case a.FD != "":
		return a.FD
	case a.Struct != nil:
		fields := make([]string, len(a.Struct))
		for i, f := range a.Struct {
			fields[i] = f.Name + "=" + f.Value.String()
		}
		return "{" + strings.Join(fields, ", ") + "}"
	case a.Out != "":
		return "&" + a.Out
	case a.List != nil:
		quoted := make([]string, len(a.List))
		for i, s := range a.List {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case a.Filters:
		return "filters"
	case a.InitFilter:
		return "initFilter"
	}
	return "NULL"
}
