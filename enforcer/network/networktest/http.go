package networktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

func (w *World) serveHTTP(address string, port uint16, certificate *tls.Certificate) {
	l := w.Listen(address, port)
	if certificate != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*certificate}})
	}
	s := &http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.mu.Lock()
			h := w.handler
			w.mu.Unlock()
			h.ServeHTTP(rw, r)
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It ends when it is closed, which is no error of the test.
		_ = s.Serve(l)
	}()
	w.t.Cleanup(func() {
		s.Close()
		<-done
	})
}

// newAuthority makes an authority, writes its certificate, and returns one that
// it gives to every name below example.com, example.net and example.org, and
// every address.
func (w *World) newAuthority() *tls.Certificate {
	w.t.Helper()
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "networktest"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "everybody"},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		DNSNames: []string{
			"example.com", "*.example.com", "example.net", "*.example.net", "example.org", "*.example.org", "localhost",
		},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, a := range Addresses() {
		leaf.IPAddresses = append(leaf.IPAddresses, net.ParseIP(a))
	}
	rootKey, leafKey := w.key(), w.key()
	rootBytes := w.sign(root, root, rootKey, rootKey)
	leafBytes := w.sign(leaf, root, leafKey, rootKey)
	w.CA = filepath.Join(w.t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootBytes})
	if err := os.WriteFile(w.CA, text, 0o644); err != nil {
		w.t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{leafBytes, rootBytes}, PrivateKey: leafKey}
}

func (w *World) key() *ecdsa.PrivateKey {
	w.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

func (w *World) sign(c, by *x509.Certificate, key, byKey *ecdsa.PrivateKey) []byte {
	w.t.Helper()
	b, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, byKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}
