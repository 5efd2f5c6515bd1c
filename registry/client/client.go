// Package client is the transport over which registries are spoken to.
//
// It keeps to TLS, tries again within a bound what may go better the second
// time, gives up on who sends next to nothing, and follows no redirect into the
// caller's own network. It is beneath go-containerregistry's handshake, which
// adds credentials for the registry's host alone.
package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// PlaintextError is returned in place of speaking to a registry without TLS.
type PlaintextError struct {
	// Host is the registry's host and port.
	Host string
}

func (e *PlaintextError) Error() string {
	return fmt.Sprintf("registry %q is only reached without TLS", e.Host)
}

// Hint names the option that would allow it.
func (e *PlaintextError) Hint() string {
	return "give the registry a certificate, or say --insecure if the network to it is yours alone"
}

// Transport is an [http.RoundTripper] for registries. It is safe for use by
// several goroutines.
type Transport struct {
	base     *http.Transport
	insecure bool
	retry    retry
	// stall and least are the pace: fewer bytes in that time of waiting and the
	// answer is given up.
	stall time.Duration
	least int64
}

// New returns the transport. With insecure it speaks plain HTTP, takes any
// certificate, and follows redirects anywhere: the caller asked for it by name.
// Without, loopback addresses alone are spoken to in plain HTTP;
// go-containerregistry falls back to it for private addresses and for names in
// .local, where someone in between only has to make TLS fail.
func New(insecure bool) *Transport {
	t := &Transport{
		base: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 8,
			// A registry that accepts a connection and says nothing must not
			// hold a script for ever.
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 2 * time.Minute,
			IdleConnTimeout:       90 * time.Second,
		},
		insecure: insecure,
		retry:    retry{pause: 200 * time.Millisecond, longest: time.Minute},
		stall:    time.Minute,
		least:    1 << 10,
	}
	if insecure {
		t.base.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	return t
}

// CloseIdleConnections closes the connections that nobody uses.
func (t *Transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !t.insecure && !isLoopback(r.URL.Hostname()) {
		return nil, &PlaintextError{r.URL.Host}
	}
	// What redirected here, where something did.
	if r.Response != nil && r.Response.Request != nil && !t.insecure {
		if err := checkRedirect(r.Response.Request.URL.Hostname(), r.URL.Hostname()); err != nil {
			return nil, err
		}
	}
	return t.retry.do(r, t.paced)
}

// checkRedirect refuses redirects to an address inside the caller's network, by
// which a registry could have its client ask a metadata service. A host may
// redirect to itself and to names, and one of the network within it.
func checkRedirect(from, to string) error {
	if from == to || !isLocal(to) || isLocal(from) && !isLinkLocal(to) {
		return nil
	}
	return redirectError(from, to)
}

// CheckRedirect is an [http.Client]'s for documents, which no registry has
// elsewhere in a local network: it refuses what the transport lets one within
// it, and --insecure, do for layers.
func CheckRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	from, to := via[0].URL.Hostname(), r.URL.Hostname()
	if from != to && isLocal(to) {
		return redirectError(from, to)
	}
	return nil
}

func redirectError(from, to string) error {
	return fmt.Errorf("registry %q redirects into the local network, to %q", from, to)
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

func isLocal(host string) bool {
	address, err := netip.ParseAddr(host)
	address = address.Unmap()
	return isLoopback(host) || err == nil && (address.IsPrivate() || address.IsLinkLocalUnicast() || address.IsUnspecified())
}

// isLinkLocal is where clouds have their metadata services.
func isLinkLocal(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLinkLocalUnicast()
}

// ErrStalled is returned for an answer that comes too slowly.
var ErrStalled = errors.New("the registry sends next to nothing")
