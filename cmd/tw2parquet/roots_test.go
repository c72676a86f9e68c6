package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// The roots of a process can be set once, so this test runs in one of its own. Go is told to take the fallback though the
// system may have roots; each of Mozilla's authorities must then vouch for itself.
func TestRoots_BroughtWhereTheSystemHasNone(t *testing.T) {
	if os.Getenv("TW2PARQUET_TEST_ROOTS") == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestRoots_BroughtWhereTheSystemHasNone$")
		child.Env = append(os.Environ(), "TW2PARQUET_TEST_ROOTS=1", "GODEBUG=x509usefallbackroots=1", "SSL_CERT_FILE=", "SSL_CERT_DIR=")
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if !bringRoots([]string{"/nowhere/ca.crt"}) {
		t.Skip("the system has a verifier of its own") // darwin
	}
	n := 0
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		n++
		_, err = cert.Verify(x509.VerifyOptions{CurrentTime: cert.NotAfter.AddDate(0, 0, -1), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if err != nil && root.Constraint == nil {
			t.Errorf("%s: %v", cert.Subject, err)
		}
	}
	if n < 100 {
		t.Errorf("%d authorities", n)
	}
}

func TestRoots_TheSystemsCount(t *testing.T) {
	if bringRoots([]string{"/nowhere/ca.crt", os.Args[0]}) {
		t.Error("ours were set beside the system's")
	}
	t.Setenv("SSL_CERT_FILE", "/own/ca.crt")
	if bringRoots(nil) {
		t.Error("ours were set beside those of SSL_CERT_FILE")
	}
}
