package artifact

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// PlaintextError is returned in place of speaking to a registry without TLS.
type PlaintextError struct{ Host string }

func (e *PlaintextError) Error() string {
	return fmt.Sprintf("registry %q is only reached without TLS", e.Host)
}

// Hint names the option that would allow it.
func (e *PlaintextError) Hint() string {
	return "if the network to it is yours alone, say --insecure"
}

// newTransport returns the transport for registries. go-containerregistry falls
// back to plain HTTP by itself for hosts with a private address; here it is
// refused, but for the loopback interface, unless insecure was asked for.
// Insecure also accepts any certificate. Redirects go through it too, so one
// cannot lead from TLS to plain text.
func newTransport(insecure bool) http.RoundTripper {
	base := remote.DefaultTransport.(*http.Transport).Clone()
	if insecure {
		base.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // what the caller asked for by name
		return base
	}
	return tlsOnly{base}
}

type tlsOnly struct{ next http.RoundTripper }

func (t tlsOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !isLoopback(req.URL.Hostname()) {
		return nil, &PlaintextError{req.URL.Host}
	}
	return t.next.RoundTrip(req)
}

// checkRedirect refuses redirects to an address inside the caller's network,
// by which a registry could have its client ask a metadata service. A host
// may redirect to itself, and to names.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	to, from := req.URL.Hostname(), via[0].URL.Hostname()
	address, err := netip.ParseAddr(to)
	if to == from || (err != nil && to != "localhost") {
		return nil
	}
	if to == "localhost" || address.IsLoopback() || address.IsPrivate() || address.IsLinkLocalUnicast() || address.IsUnspecified() {
		return fmt.Errorf("registry %q redirects into the local network, to %q", from, to)
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
