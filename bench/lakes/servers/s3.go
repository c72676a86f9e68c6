// Package servers starts object stores on this machine, for tests and demonstrations. Each start has a
// directory and a port of its own.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Credentials of every S3 server here.
const (
	AccessKey = "test-access-key"
	SecretKey = "test-secret-key"
	Region    = "us-east-1"
)

// S3 is a server that speaks S3.
type S3 struct {
	Endpoint string
	Dir      string // where versitygw keeps buckets; "" for others
	program  string // of versitygw
	stop     func() error
}

// Stop ends the server.
func (s *S3) Stop() error { return s.stop() }

// Environ is how clients get the credentials, and nothing of the machine's own.
func Environ() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + AccessKey, "AWS_SECRET_ACCESS_KEY=" + SecretKey, "AWS_REGION=" + Region,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// URL is the address of an output.
func (s *S3) URL(bucket, prefix string) *url.URL { return URL(s.Endpoint, bucket, prefix) }

// URL is the address of an output on a server, or on a proxy before it.
func URL(endpoint, bucket, prefix string) *url.URL {
	return &url.URL{Scheme: "s3", Host: bucket, Path: "/" + prefix, RawQuery: url.Values{"endpoint": {endpoint}}.Encode()}
}

// Client is for what tests do behind the program's back.
func (s *S3) Client() *s3.Client {
	return s3.New(s3.Options{
		Region: Region, BaseEndpoint: &s.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""),
	})
}

// CreateBucket makes an empty one.
func (s *S3) CreateBucket(ctx context.Context, name string) error {
	if _, err := s.Client().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		return fmt.Errorf("create bucket %s: %w", name, err)
	}
	return nil
}

// StartVersity starts versitygw, which keeps objects as files below dir and does what S3 does.
func StartVersity(ctx context.Context, dir string) (*S3, error) {
	// The module of this package says which version. Its build is cached.
	program, err := exec.CommandContext(ctx, "go", "tool", "-n", "versitygw").Output()
	if err != nil {
		return nil, fmt.Errorf("build versitygw: %w", withOutput(err))
	}
	objects, meta, users := filepath.Join(dir, "objects"), filepath.Join(dir, "metadata"), filepath.Join(dir, "users") // not every file system has attributes
	if err := errors.Join(os.MkdirAll(objects, 0o700), os.MkdirAll(meta, 0o700), os.MkdirAll(users, 0o700)); err != nil {
		return nil, err
	}
	s, err := startS3(ctx, "versitygw", func(ctx context.Context, address string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, line(program), "--quiet", "--keep-alive", "--port", address, "--access", AccessKey, "--secret", SecretKey, "--region", Region,
			"--iam-dir", users, "posix", "--sidecar", meta, objects)
		cmd.Dir = dir
		return cmd
	})
	if err == nil {
		s.Dir, s.program = objects, line(program)
	}
	return s, err
}

// CreateUser makes one who may do nothing before a bucket's policy says so. Only versitygw has such.
func (s *S3) CreateUser(ctx context.Context, access, secret string) error {
	_, err := exec.CommandContext(ctx, s.program, "admin", "--allow-insecure", "--access", AccessKey, "--secret", SecretKey, "--region", Region, "--endpoint-url", s.Endpoint,
		"create-user", "--access", access, "--secret", secret, "--role", "user").Output()
	if err != nil {
		return fmt.Errorf("create the user %s: %w", access, withOutput(err))
	}
	return nil
}

// SetPolicy says who may do what in a bucket.
func (s *S3) SetPolicy(ctx context.Context, bucket, policy string) error {
	if _, err := s.Client().PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy}); err != nil {
		return fmt.Errorf("set the policy of %s: %w", bucket, err)
	}
	return nil
}

// StartMoto starts moto from the environment that `make lakes` makes.
func StartMoto(ctx context.Context) (*S3, error) {
	dir, err := module(ctx)
	if err != nil {
		return nil, err
	}
	program := filepath.Join(dir, ".venv", "bin", "moto_server")
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("moto is not there; run make lakes: %w", err)
	}
	return startS3(ctx, "moto", func(ctx context.Context, address string) *exec.Cmd {
		host, port := split(address)
		return exec.CommandContext(ctx, program, "--host", host, "--port", port)
	})
}

// StartGofakes3 starts gofakes3 in this process. It ignores the condition of a completed upload.
func StartGofakes3() *S3 {
	server := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	return &S3{Endpoint: server.URL, stop: func() error { server.Close(); return nil }}
}

func startS3(ctx context.Context, name string, command func(context.Context, string) *exec.Cmd) (*S3, error) {
	address, stop, err := start(ctx, name, command)
	if err != nil {
		return nil, err
	}
	return &S3{Endpoint: "http://" + address, stop: stop}, nil
}

// module is the directory of this module, in which all that starts servers runs. The program does not know it
// where it was built with -trimpath.
func module(ctx context.Context) (string, error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "tw2parquet/bench/lakes").Output()
	if err != nil {
		return "", fmt.Errorf("look for bench/lakes: %w", withOutput(err))
	}
	return line(dir), nil
}
