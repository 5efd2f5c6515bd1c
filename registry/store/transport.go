package store

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// PlainHTTPError is a registry that would be spoken to without TLS although
// nobody asked for that.
type PlainHTTPError struct {
	// Host is the registry's host and port.
	Host string
}

func (e *PlainHTTPError) Error() string { return e.Host + " was to be spoken to in plain HTTP" }

// Hint says what a person can do about it.
func (e *PlainHTTPError) Hint() string {
	return "give the registry a certificate, or pass --insecure if you trust the network between"
}

// secureTransport refuses plain HTTP. go-containerregistry falls back to it
// on its own for private addresses and names ending in .local, where someone
// in between only has to make TLS fail.
type secureTransport struct {
	base     *http.Transport
	insecure bool
}

func newTransport(insecure bool) *secureTransport {
	base := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 8,
		// A registry that accepts a connection and says nothing must not hold
		// a script for ever; how long a layer takes is the context's to bound.
		TLSHandshakeTimeout:   30 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		IdleConnTimeout:       90 * time.Second,
	}
	if insecure {
		// The caller asked for it in so many words.
		base.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	}
	return &secureTransport{base: base, insecure: insecure}
}

func (t *secureTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !t.insecure && !isLoopback(r.URL.Hostname()) {
		return nil, &PlainHTTPError{Host: r.URL.Host}
	}
	return t.base.RoundTrip(r)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
