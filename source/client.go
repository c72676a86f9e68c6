package source

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
)

// DefaultBaseURL is the API's only host (Talkwalker API, OpenAPI servers).
const DefaultBaseURL = "https://api.talkwalker.com"

const (
	defaultMaxDocument = 64 << 20
	defaultIdle        = 90 * time.Second
	defaultSettle      = 120 * time.Second

	// maxEnvelope bounds an answer that is not a stream, after decompression.
	maxEnvelope = 32 << 20
	// callTimeout bounds such a call from dialling to the last byte.
	callTimeout = 60 * time.Second

	// A free call is tried callAttempts times while the network or the server fails. A rate limit is
	// waited for until limitBudget is spent, a minute at a time, as the API's own limits are counted. So
	// is a server that says with Retry-After when it wants to be asked again; a wait that does not fit
	// into what is left of the budget ends the call at once, since the run can be started again then.
	callAttempts = 6
	limitBudget  = 10 * time.Minute
	limitPause   = time.Minute
)

var (
	errTimeout = fmt.Errorf("no complete answer within %s", callTimeout)
	errIdle    = errors.New("no data came within the idle timeout")
)

// Config says how the API is reached. Only Token is required.
type Config struct {
	BaseURL string // "" = DefaultBaseURL; plain http only to loopback
	Token   Token
	// Transport replaces the package's own. It must not follow redirects or repeat requests; an
	// *http.Transport is cloned without keep-alive for the one request that must not be repeated.
	Transport http.RoundTripper
	Logger    *slog.Logger // nil = discard
	// WaitScale multiplies every wait; 0 = 1, and nothing else is accepted but to loopback.
	WaitScale        float64
	MaxDocumentBytes int64         // larger results are rejected; 0 = 64 MiB
	IdleTimeout      time.Duration // a stream silent for so long counts as cut; 0 = 90 s
	// SettleTime is how long an export whose fate is unknown is looked for before it counts as not
	// created; 0 = 120 s.
	SettleTime time.Duration
	UserAgent  string // "" = "tw2parquet"
	Clock      Clock  // nil = the real one
}

// Client calls the API. It is safe for concurrent use; the call limits hold for all its users together.
type Client struct {
	base   *url.URL
	token  Token
	normal http.RoundTripper
	once   http.RoundTripper // never on a connection that was used before
	direct bool              // both are net/http's own, whose traces can be believed
	pacer
	limits limits
	agent  string

	idle   time.Duration
	settle time.Duration
	maxDoc int
}

// New checks every field of cfg; nothing is called.
func New(cfg Config) (*Client, error) {
	c := &Client{
		token: cfg.Token, pacer: pacer{log: cfg.Logger, clock: cfg.Clock, factor: cfg.WaitScale}, agent: cfg.UserAgent,
		idle: cfg.IdleTimeout, settle: cfg.SettleTime, maxDoc: int(cfg.MaxDocumentBytes), normal: cfg.Transport,
	}
	var bad []error
	fail := func(class Class, format string, args ...any) {
		bad = append(bad, &Error{Class: class, Message: fmt.Sprintf(format, args...)})
	}
	if secret := c.token.secret(); secret == "" {
		fail(ClassAuth, "no access token")
	} else if strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		fail(ClassAuth, "the access token holds white space or a control character")
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	loopback := false
	if base, err := url.Parse(cfg.BaseURL); err != nil { // whose text quotes the URL
		fail(ClassUsage, "base URL: cannot be parsed")
	} else {
		c.base, loopback = base, isLoopback(base.Hostname())
		switch {
		case base.Host == "" || base.Opaque != "" || base.User != nil || base.RawQuery != "" || base.ForceQuery ||
			strings.Contains(cfg.BaseURL, "#") || strings.Trim(base.EscapedPath(), "/") != "":
			fail(ClassUsage, "base URL: must be scheme and host only, such as %s", DefaultBaseURL)
		case base.Scheme != "https" && (base.Scheme != "http" || !loopback):
			fail(ClassUsage, "base URL: must be https; plain http is for loopback only")
		}
	}
	if c.factor == 0 {
		c.factor = 1
	}
	if c.factor < 0 || c.factor > 1000 || c.factor != 1 && !loopback {
		fail(ClassUsage, "wait scale %g: only a loopback base URL may use a factor other than 1", cfg.WaitScale)
	}
	for _, n := range []struct {
		name  string
		value int64
	}{{"largest document", cfg.MaxDocumentBytes}, {"idle timeout", int64(cfg.IdleTimeout)}, {"settle time", int64(cfg.SettleTime)}} {
		if n.value < 0 {
			fail(ClassUsage, "%s %d: must not be negative", n.name, n.value)
		}
	}
	if len(bad) > 0 {
		return nil, errors.Join(bad...)
	}
	c.fillDefaults()
	return c, nil
}

func (c *Client) fillDefaults() {
	if c.normal == nil {
		c.normal = newTransport()
	}
	c.once = c.normal
	if t, ok := c.normal.(*http.Transport); ok {
		single := t.Clone()
		single.DisableKeepAlives = true // so there is never an idle connection that may be dead
		if dial := single.DialContext; dial != nil {
			single.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				return punctual(ctx)(dial(ctx, network, addr))
			}
		}
		c.once, c.direct = single, true
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.clock == nil {
		c.clock = realClock{}
	}
	if c.agent == "" {
		c.agent = "tw2parquet"
	}
	if c.idle == 0 {
		c.idle = defaultIdle
	}
	if c.settle == 0 {
		c.settle = defaultSettle
	}
	if c.maxDoc == 0 {
		c.maxDoc = defaultMaxDocument
	}
	c.server = &serverTime{clock: c.clock, log: c.log}
	c.limits = newLimits(c.clock, c.scaled)
}

// newTransport speaks HTTP/1.1 only: under GODEBUG=http2debug the other one prints every path, and the
// token is part of it. Compression is off, because inflating must be bounded and is done here.
func newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 15 * time.Second,
		Protocols:           protocols,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     30 * time.Second,
		ReadBufferSize:      64 << 10,

		MaxResponseHeaderBytes: 256 << 10,
	}
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Host is the API's host without its port, as it enters a run's identity: one host has one spelling.
func (c *Client) Host() string {
	return strings.TrimSuffix(strings.ToLower(c.base.Hostname()), ".")
}

// Close drops idle connections. Calls that are under way are not touched.
func (c *Client) Close() {
	for _, rt := range []http.RoundTripper{c.normal, c.once} {
		if closer, ok := rt.(interface{ CloseIdleConnections() }); ok {
			closer.CloseIdleConnections()
		}
	}
}

// call is one request to the API, and what may be done when it fails.
type call struct {
	method   string
	path     string // as sent
	template string // for messages: without ids
	query    url.Values
	body     []byte
	limit    *limiter
	retries  retries
	late     func() bool // asked right before the request leaves: true keeps it here; nil: it is never late
}

type retries int

const (
	retryFree retries = iota // the call changes and costs nothing, or may be repeated
	retryPaid                // repeated only where the server certainly did not serve it
	retryNone                // the caller decides
)

func (k call) op() string { return k.method + " " + k.template }

// do calls the API, waiting and trying again within the call's rules, and returns the envelope. Errors
// are *Error, or wrap ctx's.
func (c *Client) do(ctx context.Context, k call) (object, error) {
	started := c.clock.Now()
	for attempt := 0; ; attempt++ {
		answer, err := c.attempt(ctx, k)
		var e *Error
		if !errors.As(err, &e) || k.retries == retryNone || k.retries == retryPaid && e.sent || k.late != nil && k.late() {
			return answer, err
		}
		pause, ok := c.pauseFor(e, attempt, c.clock.Now().Sub(started), k.limit)
		if !ok {
			return nil, err
		}
		c.again(k.op(), e, pause)
		if err := c.sleep(ctx, pause); err != nil {
			return nil, fmt.Errorf("%s: %w", k.op(), err)
		}
	}
}

// attempt sends one request and reads the whole answer, through a limit, before anything is decided.
func (c *Client) attempt(ctx context.Context, k call) (object, error) {
	answered, _, err := k.limit.wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.op(), err)
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := c.clock.AfterFunc(callTimeout, func() { cancel(errTimeout) })
	defer timer.Stop()

	resp, err := c.send(inner, k)
	if err != nil {
		return nil, c.failed(ctx, inner, k.op(), err)
	}
	answered()
	defer resp.Body.Close()
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return nil, classify(k.op(), resp.StatusCode, -1, "")
	}
	text, err := readAll(resp)
	if err != nil {
		return nil, c.asked(c.failed(ctx, inner, k.op(), err), resp.Header)
	}
	o, err := c.envelope(k.op(), resp.StatusCode, text)
	return o, c.asked(err, resp.Header)
}

// failed turns the error of a request into ours. A done ctx is told as such; errTimeout is not.
func (c *Client) failed(ctx, inner context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	var e *Error
	if errors.As(err, &e) {
		e.Op = op
		return e
	}
	if cause := context.Cause(inner); cause != nil {
		err = cause
	}
	return c.transportError(op, err)
}

// envelope decides by the envelope's code first, and by the HTTP status only where there is none.
func (c *Client) envelope(op string, status int, text []byte) (object, error) {
	o, ok := parseObject(c.token.scrubBytes(text))
	code := -1
	if ok {
		code = o.code()
	}
	switch {
	case code == 0 && status >= 200 && status < 300:
		return o, nil
	case code == 0:
		e := classify(op, status, -1, "the answer says both success and failure")
		return nil, e
	case code > 0:
		e := classify(op, status, code, c.clean(o.explain()))
		e.RequestID = c.clean(o.text("request_id"))
		return nil, e
	case ok:
		return nil, classify(op, status, -1, "the answer has no status_code")
	}
	return nil, classify(op, status, -1, "the answer is not JSON")
}

// send makes the request and returns its answer, whatever its status. It goes to the transport
// directly: http.Client would follow redirects, with the token in a Referer, and wrap errors in the URL.
func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	query := url.Values{"access_token": {c.token.secret()}}
	for key, values := range k.query {
		query[key] = values
	}
	u := url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: k.path, RawQuery: query.Encode()}
	var body io.Reader
	if k.body != nil {
		body = bytes.NewReader(k.body)
	}
	d := &departure{late: k.late}
	ctx = context.WithValue(ctx, departureKey{}, d)
	var connected, wrote atomic.Bool
	if k.retries != retryFree {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) {
				connected.Store(true)
				d.connected.Store(true)
			},
			WroteHeaders: func() { wrote.Store(true) },
		})
	}
	req, err := http.NewRequestWithContext(ctx, k.method, u.String(), body)
	if err != nil {
		return nil, &Error{Class: ClassUsage, Message: "the request cannot be built"}
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept-Encoding", "identity")
	if k.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	transport := c.normal
	if k.retries == retryNone || k.late != nil {
		transport = c.once
		req.Close = true
		req.GetBody = nil // nothing to send a second time
	}
	if d.over() {
		return nil, d.error(k.op())
	}
	resp, err := transport.RoundTrip(req)
	if err != nil && d.passed.Load() && !d.wrote.Load() {
		return nil, d.error(k.op())
	}
	if err != nil {
		if k.retries != retryFree && (neverSent(err) || c.direct && !connected.Load()) && !wrote.Load() {
			e := c.transportError(k.op(), err)
			e.sent = false
			return nil, e
		}
		return nil, err
	}
	c.server.note(resp.Header)
	return resp, nil
}

// readAll reads an answer that is not a stream.
func readAll(resp *http.Response) ([]byte, error) {
	body, err := decoded(resp)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(body, maxEnvelope+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxEnvelope {
		return nil, &Error{Class: ClassUnavailable, HTTP: resp.StatusCode, Retryable: true, sent: true,
			Message: fmt.Sprintf("the answer is larger than %d MiB", maxEnvelope>>20)}
	}
	return text, nil
}

// decoded undoes a compression that was not asked for. Nothing is inflated beyond what is read.
func decoded(resp *http.Response) (io.Reader, error) {
	switch coding := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))); coding {
	case "", "identity":
		return resp.Body, nil
	case "gzip", "x-gzip":
		return &inflater{source: resp.Body}, nil
	}
	return nil, &Error{Class: ClassUnavailable, HTTP: resp.StatusCode, Retryable: true, sent: true,
		Message: "the answer has a compression that was not requested"}
}

// inflater reads its header with the first byte that is wanted, so that waiting for it is part of
// reading, with the timeouts of reading.
type inflater struct {
	source io.Reader
	gz     *gzip.Reader
}

func (z *inflater) Read(p []byte) (int, error) {
	if z.gz == nil {
		gz, err := gzip.NewReader(z.source)
		if err != nil {
			return 0, err
		}
		z.gz = gz
	}
	return z.gz.Read(p)
}
