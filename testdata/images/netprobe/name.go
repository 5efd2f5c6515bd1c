package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
)

func (o options) resolver() *net.Resolver {
	r := &net.Resolver{PreferGo: true}
	if o.server == "" && !o.overTCP {
		return r
	}
	r.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if o.overTCP {
			network = "tcp"
		}
		if o.server != "" {
			address = o.server
		}
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	return r
}

func resolve(o options, args []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), o.wait)
	defer cancel()
	found, err := o.resolver().LookupNetIP(ctx, o.kind, args[0])
	if err != nil {
		return err
	}
	var all []string
	for _, a := range found {
		all = append(all, a.Unmap().String())
	}
	slices.Sort(all)
	fmt.Println(strings.Join(all, "\n"))
	return nil
}

func browse(o options, args []string) error {
	transport := &http.Transport{DisableKeepAlives: true}
	dialer := &net.Dialer{Timeout: o.wait, Resolver: o.resolver()}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if o.to != "" {
			address = o.to
		}
		return dialer.DialContext(ctx, network, address)
	}
	if o.ca != "" {
		authority := []byte(o.ca)
		if !strings.HasPrefix(o.ca, "-----") {
			var err error
			if authority, err = os.ReadFile(o.ca); err != nil {
				return err
			}
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(authority) {
			return errors.New("-ca has no certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	r, err := (&http.Client{Transport: transport, Timeout: o.wait}).Get(args[0])
	if err != nil {
		return err
	}
	defer r.Body.Close()
	fmt.Println(r.StatusCode)
	_, err = io.Copy(os.Stdout, r.Body)
	return err
}
