package main

import (
	"crypto/x509"
	"os"
	"runtime"
	_ "time/tzdata" // the emulator's histograms know time zones, in an empty image too

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// systemRoots are the files in which Linux distributions keep the certificates of authorities; crypto/x509 looks there.
var systemRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Alpine
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7 and later
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/ssl/cert.pem",                                 // others
}

// bringRoots trusts the authorities that Mozilla trusts where the system has none, as in an image made of this binary
// alone. Where it has some, they count and ours do not: whoever runs the machine decides. Looking first saves every
// other start the time that reading 140 certificates takes.
func bringRoots(files []string) (brought bool) {
	if runtime.GOOS != "linux" || os.Getenv("SSL_CERT_FILE") != "" || os.Getenv("SSL_CERT_DIR") != "" {
		return false
	}
	for _, name := range files {
		if _, err := os.Stat(name); err == nil {
			return false
		}
	}
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		switch {
		case err != nil: // never: the bundle is linked in, and a test reads it
		case root.Constraint == nil:
			pool.AddCert(cert)
		default:
			pool.AddCertWithConstraint(cert, root.Constraint)
		}
	}
	x509.SetFallbackRoots(pool)
	return true
}
