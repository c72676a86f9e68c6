package servers

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
)

// Fault answers a request in place of the server, or has it forwarded.
type Fault = func(w http.ResponseWriter, r *http.Request, forward http.Handler)

// Proxy stands before a server, counts requests, and lets a test answer them itself.
type Proxy struct {
	URL    string
	server *httptest.Server

	mu    sync.Mutex
	hook  Fault
	count []string
}

// NewProxy starts one.
func NewProxy(endpoint string) (*Proxy, error) {
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	p := &Proxy{}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is part of what was signed
		},
		// What it cannot forward was cut on purpose.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		hook := p.hook
		p.count = append(p.count, r.Method+" "+r.URL.RequestURI())
		p.mu.Unlock()
		if hook == nil {
			forward.ServeHTTP(w, r)
			return
		}
		hook(w, r, forward)
	}))
	p.URL = p.server.URL
	return p, nil
}

// Hook lets a test answer what follows; nil: no more.
func (p *Proxy) Hook(hook Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hook = hook
}

// Requests are those since the last call.
func (p *Proxy) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := p.count
	p.count = nil
	return count
}

// Lose forwards a request and lets nobody hear its answer.
func Lose(_ http.ResponseWriter, r *http.Request, forward http.Handler) {
	forward.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// Close ends it.
func (p *Proxy) Close() { p.server.Close() }
