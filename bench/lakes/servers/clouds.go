package servers

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/fsouza/fake-gcs-server/fakestorage"
)

// GCS is fake-gcs-server, in this process. It speaks the JSON API of Google Cloud Storage, and of the XML API what engines read by;
// that only if it knows the name by which it is called.
type GCS struct {
	Endpoint string
	*fakestorage.Server
}

// StartFakeGCS starts one.
func StartFakeGCS() (*GCS, error) {
	s, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1", PublicHost: "127.0.0.1", Writer: io.Discard})
	if err != nil {
		return nil, fmt.Errorf("start fake-gcs-server: %w", err)
	}
	return &GCS{s.URL(), s}, nil
}

// Azure is Azurite, with an account of its own.
type Azure struct {
	Endpoint, Account, Key string
	stop                   func() error
}

// Stop ends the server.
func (a *Azure) Stop() error { return a.stop() }

// StartAzurite starts Azurite, which npm installs where `make lakes` says.
func StartAzurite(ctx context.Context) (*Azure, error) {
	dir, err := module(ctx)
	if err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "azurite", "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("start azurite, which make lakes installs: %w", err)
	}
	var key [64]byte
	rand.Read(key[:]) // never fails
	a := &Azure{Account: "account", Key: base64.StdEncoding.EncodeToString(key[:])}
	address, stop, err := start(ctx, "azurite", func(ctx context.Context, address string) *exec.Cmd {
		host, port := split(address)
		// It knows fewer versions of the API than the SDK, and of these all that matters.
		cmd := exec.CommandContext(ctx, "node", program, "--blobHost", host, "--blobPort", port, "--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry")
		cmd.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+a.Account+":"+a.Key)
		return cmd
	})
	if err != nil {
		return nil, err
	}
	a.Endpoint, a.stop = "http://"+address, stop
	return a, nil
}

// URL is the address of an output on a server, or on a proxy before it.
func (a *Azure) URL(endpoint, container, prefix string) *url.URL {
	query := url.Values{"storage_account": {a.Account}, "protocol": {"http"}, "localemu": {"true"}, "domain": {strings.TrimPrefix(endpoint, "http://")}}
	return &url.URL{Scheme: "azblob", Host: container, Path: "/" + prefix, RawQuery: query.Encode()}
}

// Container is a client for what tests do behind the program's back.
func (a *Azure) Container(name string) (*container.Client, error) {
	key, err := container.NewSharedKeyCredential(a.Account, a.Key)
	if err != nil {
		return nil, err
	}
	return container.NewClientWithSharedKeyCredential(a.Endpoint+"/"+a.Account+"/"+name, key, nil)
}

// Signature is a shared access signature for a container.
func (a *Azure) Signature(name string, may sas.ContainerPermissions, expires time.Time) (string, error) {
	key, err := container.NewSharedKeyCredential(a.Account, a.Key)
	if err != nil {
		return "", err
	}
	values, err := sas.BlobSignatureValues{
		Protocol: sas.ProtocolHTTPSandHTTP, StartTime: expires.Add(-2 * time.Hour), ExpiryTime: expires, Permissions: may.String(), ContainerName: name,
	}.SignWithSharedKey(key)
	return values.Encode(), err
}
