package storetest

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"hash/crc64"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// S3 plays a bucket of S3 over HTTP, in memory: what an output asks for, with the conditions on PUT, DELETE and on
// completing an upload, and with checksums. It does not look at signatures. A real server (bench/lakes) is compared
// with it, and tells what is right.
type S3 struct {
	// Page is how many keys one page of a listing has; 0: 1,000.
	Page int
	// After, if set, is called when a request was executed, and loses its answer if it returns true.
	After func(r *http.Request) (lose bool)

	bucket  string
	mu      sync.Mutex
	objects map[string]s3Object
	uploads map[string]*s3Upload
	count   int // of requests
}

type s3Object struct {
	body []byte
	etag string
}

type s3Upload struct {
	key   string
	begun time.Time
	parts map[int]s3Object
	made  string // the tag of the object, once it is complete
}

// NewS3 is a server with one bucket, which is empty.
func NewS3(bucket string) *S3 {
	return &S3{bucket: bucket, objects: map[string]s3Object{}, uploads: map[string]*s3Upload{}}
}

func (s *S3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // what is cut is not executed
	}
	answer := httptest.NewRecorder()
	s.mu.Lock()
	s.count++
	answer.Header().Set("X-Amz-Request-Id", fmt.Sprint("request-", s.count))
	s.serve(answer, r, body)
	s.mu.Unlock()
	if s.After != nil && s.After(r) {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // whoever does not want it any more has gone
}

func (s *S3) serve(w http.ResponseWriter, r *http.Request, body []byte) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q := r.URL.Query()
	switch {
	case bucket != s.bucket:
		s3Fail(w, http.StatusNotFound, "NoSuchBucket")
	case key == "" && r.Method == http.MethodGet && q.Has("uploads"):
		s.listUploads(w, q)
	case key == "" && r.Method == http.MethodGet && q.Get("list-type") == "2":
		s.list(w, q)
	case r.Method == http.MethodPost && q.Has("uploads"):
		id := fmt.Sprintf("upload-%08d", s.count)
		s.uploads[id] = &s3Upload{key: key, begun: time.Now(), parts: map[int]s3Object{}}
		s3Answer(w, struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadId string   //nolint:revive // S3's name
		}{UploadId: id})
	case q.Has("uploadId"):
		s.upload(w, r, key, body)
	case r.Method == http.MethodPut:
		s.create(w, r, key, newS3Object(body))
	case r.Method == http.MethodGet:
		s.get(w, r, key)
	case r.Method == http.MethodDelete:
		there, ok := s.objects[key]
		if match := r.Header.Get("If-Match"); match != "" && ok && match != there.etag {
			s3Fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
			return
		}
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		s3Fail(w, http.StatusNotImplemented, "NotImplemented")
	}
}

func newS3Object(body []byte) s3Object {
	return s3Object{body, fmt.Sprintf("\"%x\"", md5.Sum(body))}
}

// create gives an object its name, if the condition and the checksum of the request allow it.
func (s *S3) create(w http.ResponseWriter, r *http.Request, key string, o s3Object) (created bool) {
	switch _, taken := s.objects[key]; {
	case taken && r.Header.Get("If-None-Match") == "*":
		s3Fail(w, http.StatusPreconditionFailed, "PreconditionFailed")
	case !intact(r, o.body):
		s3Fail(w, http.StatusBadRequest, "BadDigest")
	default:
		s.objects[key] = o
		w.Header().Set("ETag", o.etag)
		return true
	}
	return false
}

var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5) // CRC-64/NVME, reflected

func intact(r *http.Request, body []byte) bool {
	want := r.Header.Get("X-Amz-Checksum-Crc64nvme")
	sum := binary.BigEndian.AppendUint64(nil, crc64.Checksum(body, nvme))
	return want == "" || want == base64.StdEncoding.EncodeToString(sum)
}

// get serves a range as any HTTP server does.
func (s *S3) get(w http.ResponseWriter, r *http.Request, key string) {
	o, ok := s.objects[key]
	if !ok {
		s3Fail(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	part := httptest.NewRecorder()
	http.ServeContent(part, r, "", time.Time{}, bytes.NewReader(o.body))
	if part.Code == http.StatusRequestedRangeNotSatisfiable {
		s3Fail(w, part.Code, "InvalidRange")
		return
	}
	maps.Copy(w.Header(), part.Header())
	w.WriteHeader(part.Code)
	_, _ = w.Write(part.Body.Bytes())
}

// upload is a request about an upload of parts.
func (s *S3) upload(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	q := r.URL.Query()
	id := q.Get("uploadId")
	u := s.uploads[id]
	switch {
	case u != nil && u.made != "" && u.made == s.objects[key].etag && r.Method == http.MethodPost: // again
		s3Answer(w, completed{Key: key, ETag: u.made})
	case u == nil || u.key != key || u.made != "":
		s3Fail(w, http.StatusNotFound, "NoSuchUpload")
	case r.Method == http.MethodPut && !intact(r, body):
		s3Fail(w, http.StatusBadRequest, "BadDigest")
	case r.Method == http.MethodPut:
		n, _ := strconv.Atoi(q.Get("partNumber"))
		u.parts[n] = newS3Object(body)
		w.Header().Set("ETag", u.parts[n].etag)
	case r.Method == http.MethodDelete:
		delete(s.uploads, id)
		w.WriteHeader(http.StatusNoContent)
	default:
		s.complete(w, r, u, body)
	}
}

type completed struct {
	XMLName   xml.Name `xml:"CompleteMultipartUploadResult"`
	Key, ETag string
}

// leastPart is the size below which only the last part may be.
const leastPart = 5 << 20

// complete makes the object. An upload whose name is taken stays open.
func (s *S3) complete(w http.ResponseWriter, r *http.Request, u *s3Upload, body []byte) {
	var asked struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(body, &asked); err != nil || len(asked.Part) == 0 {
		s3Fail(w, http.StatusBadRequest, "MalformedXML")
		return
	}
	var all []byte
	for i, p := range asked.Part {
		part, ok := u.parts[p.PartNumber]
		switch {
		case !ok || strings.Trim(part.etag, `"`) != strings.Trim(p.ETag, `"`):
			s3Fail(w, http.StatusBadRequest, "InvalidPart")
			return
		case i > 0 && asked.Part[i-1].PartNumber >= p.PartNumber:
			s3Fail(w, http.StatusBadRequest, "InvalidPartOrder")
			return
		case i < len(asked.Part)-1 && len(part.body) < leastPart:
			s3Fail(w, http.StatusBadRequest, "EntityTooSmall")
			return
		}
		all = append(all, part.body...)
	}
	if size := r.Header.Get("X-Amz-Mp-Object-Size"); size != "" && size != strconv.Itoa(len(all)) {
		s3Fail(w, http.StatusBadRequest, "InvalidRequest")
		return
	}
	o := newS3Object(all) // S3's own tag is another one, and as good
	if s.create(w, r, u.key, o) {
		u.made = o.etag
		s3Answer(w, completed{Key: u.key, ETag: o.etag})
	}
}

func (s *S3) list(w http.ResponseWriter, q url.Values) {
	type entry struct {
		Key  string
		Size int
		ETag string
	}
	page := struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		EncodingType          string
		IsTruncated           bool
		NextContinuationToken string
		Contents              []entry
	}{EncodingType: q.Get("encoding-type")}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(key, q.Get("prefix")) || key <= q.Get("continuation-token") {
			continue
		}
		if page.IsTruncated = len(page.Contents) == cmp.Or(s.Page, 1000); page.IsTruncated {
			break
		}
		page.NextContinuationToken = key
		name := key
		if page.EncodingType == "url" {
			name = strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
		}
		page.Contents = append(page.Contents, entry{name, len(s.objects[key].body), s.objects[key].etag})
	}
	s3Answer(w, page)
}

func (s *S3) listUploads(w http.ResponseWriter, q url.Values) {
	type entry struct {
		Key, UploadId string //nolint:revive // S3's names
		Initiated     time.Time
	}
	page := struct {
		XMLName                           xml.Name `xml:"ListMultipartUploadsResult"`
		IsTruncated                       bool
		NextKeyMarker, NextUploadIdMarker string //nolint:revive // S3's names
		Upload                            []entry
	}{}
	order := func(a, b entry) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.UploadId, b.UploadId))
	}
	var all []entry
	for id, u := range s.uploads {
		e := entry{u.key, id, u.begun.UTC()}
		if u.made == "" && strings.HasPrefix(u.key, q.Get("prefix")) && order(e, entry{Key: q.Get("key-marker"), UploadId: q.Get("upload-id-marker")}) > 0 {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, order)
	for _, u := range all {
		if page.IsTruncated = len(page.Upload) == cmp.Or(s.Page, 1000); page.IsTruncated {
			break
		}
		page.NextKeyMarker, page.NextUploadIdMarker = u.Key, u.UploadId
		page.Upload = append(page.Upload, u)
	}
	s3Answer(w, page)
}

func s3Answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/xml")
	if err := xml.NewEncoder(w).Encode(what); err != nil {
		panic(err)
	}
}

func s3Fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>said by the test's server</Message></Error>", code)
}
