package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/object"
)

// What nobody may ever see, in the form in which the environment has it.
const (
	accessKey    = "AKIATESTACCESSKEY"
	secretKey    = "very/secret+key"
	sessionToken = "session-token-of-a-role=="
)

func environment(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": sessionToken, "AWS_REGION": "eu-central-1",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "", "AWS_CA_BUNDLE": "",
		"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
	} {
		t.Setenv(name, value)
	}
}

// driver is a bucket on a server of the test.
func driver(t *testing.T, query string, answer http.HandlerFunc) *bucket {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	set, err := parse("endpoint=" + url.QueryEscape(server.URL) + "&" + query)
	if err != nil {
		t.Fatal(err)
	}
	secrets := object.NewSecrets(nil)
	client, renew, err := connect(t.Context(), set, secrets, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &bucket{client: client, name: "bucket", settings: set, secrets: secrets, renew: renew}
}

// said is S3's form of an error.
func said(code, message string) string {
	return fmt.Sprintf("<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>%s</Message><RequestId>body-id</RequestId></Error>", code, message)
}

// requests are all that a driver sends.
func requests(b *bucket) map[string]func(ctx context.Context) error {
	m := &multipart{bucket: b, key: "prefix/key", id: "upload-id"}
	m.Sum([]byte("body"))
	return map[string]func(ctx context.Context) error{
		"PutObject": func(ctx context.Context) error { return b.Put(ctx, m.key, []byte("body")) },
		"GetObject": func(ctx context.Context) error { return b.Get(ctx, m.key, make([]byte, 4), 0) },
		"ListObjectsV2": func(ctx context.Context) error {
			_, _, err := b.List(ctx, "prefix/", "")
			return err
		},
		"DeleteObject": func(ctx context.Context) error { return b.Delete(ctx, m.key, "") },
		"ListMultipartUploads": func(ctx context.Context) error {
			_, _, _, err := b.Unfinished(ctx, "prefix/", "")
			return err
		},
		"CreateMultipartUpload": func(ctx context.Context) error {
			_, err := b.Begin(ctx, m.key)
			return err
		},
		"UploadPart": func(ctx context.Context) error { return m.Part(ctx, 1, []byte("body")) },
		"CompleteMultipartUpload": func(ctx context.Context) error {
			return m.Complete(ctx)
		},
		"AbortMultipartUpload": func(ctx context.Context) error { return m.Abort(ctx) },
	}
}

// The codes that S3 documents, with the text that its servers send, and what is to be done about each. A secret
// that a server repeats is not passed on, in no error of any request.
func TestFailure_ClassesAdviceAndSecrets(t *testing.T) {
	environment(t)
	for _, tt := range []struct {
		status    int
		code      string
		class     store.Class
		retryable bool
		advice    string // part of it
	}{
		{403, "AccessDenied", store.Denied, false, "grant s3:"},
		{403, "InvalidAccessKeyId", store.Denied, false, "not accepted"},
		{403, "SignatureDoesNotMatch", store.Denied, false, "not accepted"},
		{401, "", store.Denied, false, "grant s3:"},
		{404, "NoSuchBucket", store.Missing, false, "create the bucket"},
		{301, "PermanentRedirect", store.WrongRegion, false, "is in region eu-north-1"},
		{400, "AuthorizationHeaderMalformed", store.WrongRegion, false, "is in region eu-north-1"},
		{400, "ExpiredToken", store.Expired, true, "expired"},
		{403, "RequestTimeTooSkewed", store.Skew, false, "clock"},
		{503, "SlowDown", store.Unavailable, true, ""},
		{503, "", store.Unavailable, true, ""},
		{500, "InternalError", store.Unavailable, true, ""},
		{429, "TooManyRequests", store.Unavailable, true, ""},
		{400, "RequestTimeout", store.Unavailable, true, ""},
		{400, "BadDigest", store.Unavailable, true, ""},
		{400, "XAmzContentChecksumMismatch", store.Unavailable, true, ""},
		{507, "XMinioStorageFull", store.Quota, false, "raise the quota"},
		{400, "InvalidArgument", store.Failed, false, ""},
	} {
		b := driver(t, "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Amz-Request-Id", "request-7")
			w.Header().Set("X-Amz-Bucket-Region", "eu-north-1")
			w.WriteHeader(tt.status)
			if tt.code != "" {
				fmt.Fprint(w, said(tt.code, "said by the store, with "+r.Header.Get("X-Amz-Security-Token")+" and "+accessKey+" and "+r.Header.Get("Authorization")+" and x?X-Amz-Signature=abcdef&amp;sig=ghijk&amp;y and "+secretKey))
			}
		})
		for op, request := range requests(b) {
			err := request(t.Context())
			var e *store.RemoteError
			if !errors.As(err, &e) {
				t.Fatalf("%d %s to %s: %v", tt.status, tt.code, op, err)
			}
			if e.Class != tt.class || e.Code() != "store_"+string(tt.class) || e.Retryable() != tt.retryable || e.Status != tt.status ||
				e.Op != op || !strings.HasPrefix(e.URL, "s3://bucket/prefix") || e.RequestID != "request-7" || !strings.Contains(e.Advice, tt.advice) {
				t.Errorf("%d %s to %s: %#v", tt.status, tt.code, op, e)
			}
			noSecret(t, fmt.Sprintf("%v %+v %#v", err, err, e))
		}
	}
}

func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{accessKey, secretKey, sessionToken, url.QueryEscape(secretKey), "abcdef", "ghijk", "very/secret", "session-token-of"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}

// Answers that mean one thing, whatever was asked for.
func TestFailure_AnswersThatAreNoFailures(t *testing.T) {
	environment(t)
	for _, tt := range []struct {
		status   int
		code, op string
		want     error // nil: none
	}{
		{412, "PreconditionFailed", "PutObject", fs.ErrExist},
		{412, "PreconditionFailed", "CompleteMultipartUpload", fs.ErrExist},
		{412, "", "PutObject", fs.ErrExist},
		{200, "PreconditionFailed", "CompleteMultipartUpload", fs.ErrExist},
		{409, "ConditionalRequestConflict", "PutObject", object.ErrConflict},
		{409, "ConditionalRequestConflict", "CompleteMultipartUpload", object.ErrConflict},
		{409, "OperationAborted", "PutObject", object.ErrConflict},
		{404, "NoSuchUpload", "CompleteMultipartUpload", object.ErrNoUpload},
		{404, "NoSuchUpload", "UploadPart", object.ErrNoUpload},
		{404, "NoSuchUpload", "AbortMultipartUpload", nil},
		{404, "NoSuchKey", "GetObject", fs.ErrNotExist},
		{404, "", "GetObject", fs.ErrNotExist},
		{404, "NoSuchKey", "DeleteObject", nil},
		{412, "PreconditionFailed", "DeleteObject", object.ErrChanged},
		{416, "InvalidRange", "GetObject", io.ErrUnexpectedEOF},
	} {
		b := driver(t, "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tt.status)
			if tt.code != "" {
				fmt.Fprint(w, said(tt.code, "text"))
			}
		})
		if err := requests(b)[tt.op](t.Context()); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%d %s to %s: %v, want %v", tt.status, tt.code, tt.op, err, tt.want)
		}
	}
}

// A completed upload whose answer is 200 with an error in it did not happen, as far as anybody knows.
func TestFailure_ErrorInsideOf200(t *testing.T) {
	environment(t)
	b := driver(t, "", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, said("InternalError", "try again")) })
	var e *store.RemoteError
	if err := requests(b)["CompleteMultipartUpload"](t.Context()); !errors.As(err, &e) || e.Class != store.Unavailable || e.Status >= 400 && e.Status < 500 {
		t.Errorf("%#v", err)
	}
}

// A store that does not know the condition says so, and is told apart from others.
func TestFailure_ConditionIsNotImplemented(t *testing.T) {
	environment(t)
	b := driver(t, "", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == "" && r.Header.Get("If-Match") == "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.WriteHeader(http.StatusNotImplemented)
		fmt.Fprint(w, said("NotImplemented", "a header you provided implies functionality that is not implemented"))
	})
	all := requests(b)
	for _, op := range []string{"PutObject", "CompleteMultipartUpload"} {
		if err := all[op](t.Context()); !errors.Is(err, store.ErrWithoutConditions) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if err := b.Delete(t.Context(), "key", `"etag"`); err != nil {
		t.Errorf("deleted without the condition: %v", err)
	}
}

// Every way of not answering is unclear, and worth another try. The address in it has no parameters.
func TestFailure_NoAnswer(t *testing.T) {
	environment(t)
	for name, answer := range map[string]http.HandlerFunc{
		"the connection is cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"the answer is cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "<")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		b := driver(t, "", answer)
		for op, request := range requests(b) {
			if name == "the answer is cut" && (op == "PutObject" || op == "UploadPart" || op == "DeleteObject" || op == "AbortMultipartUpload") {
				continue // their answers have no body that would matter
			}
			var e *store.RemoteError
			if err := request(t.Context()); !errors.As(err, &e) || e.Class != store.Unavailable || e.Status >= 300 ||
				strings.Contains(err.Error(), "upload-id") || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				t.Errorf("%s, %s: %v", name, op, err)
			}
		}
	}
	b := driver(t, "", func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("no answer within 60s"))
	if err := b.Put(ctx, "key", nil); err == nil || !strings.Contains(err.Error(), "no answer within 60s") {
		t.Error(err)
	}
}

// The store is not asked without credentials, and told which were missing.
func TestFailure_NoCredentials(t *testing.T) {
	environment(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	b := driver(t, "", func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	var e *store.RemoteError
	if err := b.Put(t.Context(), "key", nil); !errors.As(err, &e) || e.Class != store.Denied || !strings.Contains(e.Advice, "no credentials") {
		t.Error(err)
	}
}

// TLS that is not trusted, or not there, is told at once.
func TestFailure_TLS(t *testing.T) {
	environment(t)
	server := httptest.NewTLSServer(http.NotFoundHandler())
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for endpoint, advice := range map[string]string{server.URL: "AWS_CA_BUNDLE", strings.Replace(plain.URL, "http:", "https:", 1): "disable_https"} {
		b := driver(t, "", nil)
		set, err := parse("endpoint=" + url.QueryEscape(endpoint))
		if err != nil {
			t.Fatal(err)
		}
		if b.client, _, err = connect(t.Context(), set, b.secrets, nil); err != nil {
			t.Fatal(err)
		}
		var e *store.RemoteError
		if err := b.Put(t.Context(), "key", nil); !errors.As(err, &e) || e.Retryable() || !strings.Contains(e.Advice, advice) {
			t.Error(err)
		}
	}
}

// What is sent: conditions, checksums that the standard library's table gives, settings, and one request each.
func TestRequests_SayWhatTheyMust(t *testing.T) {
	environment(t)
	got := map[string]http.Header{}
	b := driver(t, "ssetype=aws:kms&kmskeyid=key-1&storage_class=STANDARD_IA", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		got[strings.TrimSpace(fmt.Sprint(r.Method, " ", q.Has("uploads"), " ", q.Get("partNumber")))] = r.Header
		if q.Has("uploads") {
			fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
		} else if r.Method == http.MethodPost {
			fmt.Fprint(w, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
		}
	})
	if err := b.Put(t.Context(), "key", []byte("123456789")); err != nil {
		t.Fatal(err)
	}
	m, err := b.Begin(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	m.Sum([]byte("1234"))
	m.Sum([]byte("56789"))
	if err := errors.Join(m.Part(t.Context(), 1, []byte("1234")), m.Part(t.Context(), 2, []byte("56789")), m.Complete(t.Context())); err != nil {
		t.Fatal(err)
	}
	const check = "rosUhgp5mIg=" // the check value of CRC-64/NVME, ae8b14860a799888, in base64
	for _, tt := range []struct{ request, header, want string }{
		{"PUT false", "If-None-Match", "*"}, {"PUT false", "X-Amz-Checksum-Crc64nvme", check}, {"PUT false", "X-Amz-Storage-Class", "STANDARD_IA"},
		{"PUT false", "X-Amz-Server-Side-Encryption", "aws:kms"}, {"PUT false", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", "key-1"},
		{"POST true", "X-Amz-Checksum-Type", "FULL_OBJECT"}, {"POST true", "X-Amz-Checksum-Algorithm", "CRC64NVME"}, {"POST true", "X-Amz-Storage-Class", "STANDARD_IA"},
		{"POST false", "If-None-Match", "*"}, {"POST false", "X-Amz-Checksum-Crc64nvme", check}, {"POST false", "X-Amz-Mp-Object-Size", "9"},
	} {
		if h := got[tt.request].Get(tt.header); h != tt.want {
			t.Errorf("%s of %s is %q, want %q", tt.header, tt.request, h, tt.want)
		}
	}
	if agent := got["PUT false"].Get("User-Agent"); !strings.Contains(agent, "app/tw2parquet") {
		t.Errorf("user agent %s", agent)
	}
	if len(got) != 5 {
		t.Errorf("%d kinds of requests", len(got))
	}
}

// Keys that XML cannot hold arrive as they are, and the clock is the store's.
func TestList_KeysAndClock(t *testing.T) {
	environment(t)
	b := driver(t, "", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Sat, 28 Nov 2026 10:00:00 GMT")
		if r.URL.Query().Has("uploads") {
			fmt.Fprint(w, `<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>i</NextUploadIdMarker>`+
				`<Upload><Key>k</Key><UploadId>i</UploadId><Initiated>2026-11-27T09:00:00Z</Initiated></Upload></ListMultipartUploadsResult>`)
			return
		}
		fmt.Fprint(w, `<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>a%01+b%2Bc/%C3%A9</Key><Size>7</Size><ETag>"e"</ETag></Contents></ListBucketResult>`)
	})
	page, next, err := b.List(t.Context(), "a", "")
	if err != nil || next != "" || len(page) != 1 || page[0] != (object.Object{Key: "a\x01 b+c/é", Size: 7, ID: `"e"`}) {
		t.Errorf("%v %q %v", page, next, err)
	}
	open, next, now, err := b.Unfinished(t.Context(), "k", "")
	if err != nil || len(open) != 1 || now.Sub(open[0].Begun) != 25*time.Hour {
		t.Errorf("%v, %v, %v", open, now, err)
	}
	if _, next, _, err = b.Unfinished(t.Context(), "k", next); next != "" || err != nil {
		t.Errorf("the same page for ever: %q, %v", next, err)
	}
}

// A wrong address is told with what would be right, and without what it may hold.
func TestOpen_Addresses(t *testing.T) {
	environment(t)
	for address, want := range map[string]string{
		"s3://bucket": "s3://bucket", "s3://bucket/": "s3://bucket", "s3://bucket/a/b/": "s3://bucket/a/b", "s3://bucket/a%20b": "s3://bucket/a b",
		"s3://bucket/a?region=eu-west-1&use_path_style=true&disable_https=true": "s3://bucket/a",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), u, object.Config{})
		if err != nil || s.Path("") != want || s.Path("x/y") != want+"/x/y" {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for address, want := range map[string]string{
		"s3:///prefix": "s3://bucket/prefix", "http://bucket/": "s3://bucket/prefix", "s3://bucket/a/../b": "without . and ..", "s3://bucket/a//b": "empty elements",
		"s3://user:very/secret+key@bucket/": "", "s3://user:hunter2@bucket/a": "AWS_PROFILE", "s3://bucket/?reigon=x": "known are accelerate, anonymous",
		"s3://bucket/?accelerate=maybe": "true or false", "s3://bucket/?ssetype=rot13": "aws:kms", "s3://bucket/?region=a&region=b": "twice", "s3://bucket/?endpoint=host": "https://host:port",
		"s3://bucket/?endpoint=http://user:hunter2@host": "without a user", "s3://bucket/?a=%zz": "well-formed",
	} {
		u, err := url.Parse(address)
		if err != nil {
			continue // told by whoever parses
		}
		_, err = Open(t.Context(), u, object.Config{})
		var e *store.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", address, err)
		}
	}
	t.Setenv("AWS_REGION", "")
	if _, err := Open(t.Context(), &url.URL{Scheme: "s3", Host: "bucket"}, object.Config{}); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("without a region: %v", err)
	}
}
