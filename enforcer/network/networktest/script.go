package networktest

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// SetUp names the world's servers in a script's environment: $WEB, $WEB6,
// $OTHER, $OTHER6, $LAN, $METADATA, $HOST, $HOST6 and $RESOLVER, and in $CA the
// file of the authority. IPv6 addresses that a port follows need brackets:
// [$WEB6]:80.
func (w *World) SetUp(env *testscript.Env) {
	for name, value := range map[string]string{
		"WEB": Web4, "WEB6": Web6, "OTHER": Other4, "OTHER6": Other6, "LAN": LAN, "METADATA": Metadata,
		"HOST": Host4, "HOST6": Host6, "RESOLVER": Resolver4, "CA": w.CA,
	} {
		env.Setenv(name, value)
	}
}

// Commands are for scripts:
//
//	[!] sent [NETWORK] ADDRESS[:PORT]  something was sent there since the world began, or forget;
//	                                   of TCP, an attempt to connect (see [World.Sent])
//	[!] asked NAME                     a name server was asked for the name since then
//	forget                             of what was sent and asked before, nothing counts
//	[!] take ADDRESS:PORT              a program of the machine begins to listen there, with SO_REUSEADDR
//	                                   as most have it, and echoes
//	zone NAME [TYPE VALUE TTL]...      what the name has from now on
//	zone -dead | -alive                the name servers do not answer, or do again
func (w *World) Commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"sent": w.sent, "asked": w.asked, "zone": w.zone, "take": w.take,
		"forget": func(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(w.Forget()) },
	}
}

func (w *World) sent(ts *testscript.TestScript, neg bool, args []string) {
	network := ""
	if len(args) == 2 {
		network, args = args[0], args[1:]
	}
	if len(args) != 1 {
		ts.Fatalf("usage: [!] sent [NETWORK] ADDRESS[:PORT]")
	}
	address, port := args[0], uint64(0)
	if host, number, err := net.SplitHostPort(args[0]); err == nil {
		address = host
		port, err = strconv.ParseUint(number, 10, 16)
		ts.Check(err)
	}
	got, err := w.Sent(network, address, uint16(port))
	ts.Check(err)
	if got == neg {
		all, _ := w.Packets()
		ts.Fatalf("sent %s %s: %v; everything: %v", network, args[0], got, all)
	}
}

func (w *World) asked(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] asked NAME")
	}
	if w.Zone.Asked(args[0]) == neg {
		ts.Fatalf("asked %s: %v; everything: %v", args[0], !neg, w.Zone.Queries())
	}
}

func (w *World) take(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] take ADDRESS:PORT")
	}
	at, err := netip.ParseAddrPort(args[0])
	ts.Check(err)
	file, err := w.opener.open("tcp", at)
	if err == nil {
		defer file.Close()
	}
	switch {
	case neg && err == nil:
		ts.Fatalf("%s is to be had", at)
	case neg:
		ts.Logf("%v", err)
		return
	}
	ts.Check(err)
	l, err := net.FileListener(file)
	ts.Check(err)
	w.accept(noted{l, &w.tally}, echo)
}

func (w *World) zone(ts *testscript.TestScript, neg bool, args []string) {
	switch {
	case !neg && len(args) == 1 && (args[0] == "-dead" || args[0] == "-alive"):
		w.Zone.SetDead(args[0] == "-dead")
		return
	case neg || len(args)%3 != 1 || strings.HasPrefix(args[0], "-"):
		ts.Fatalf("usage: zone NAME [TYPE VALUE TTL]... | zone -dead | zone -alive")
	}
	var records []Record
	for r := args[1:]; len(r) > 0; r = r[3:] {
		ttl, err := strconv.ParseUint(r[2], 10, 32)
		ts.Check(err)
		records = append(records, Record{r[0], r[1], uint32(ttl)})
	}
	w.Zone.Set(args[0], records...)
}
