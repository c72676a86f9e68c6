package emulator

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// begin and end frame one chunk: newlines stand between chunks, not after the last.
func (rd *read) begin() int {
	if rd.chunks > 0 {
		rd.buf = append(rd.buf, rd.c.faults.separator(rd.chunks)...)
	} else {
		rd.buf = append(rd.buf, rd.c.faults.prefix()...)
	}
	rd.chunks++
	return len(rd.buf)
}

func (rd *read) end(start int) {
	if rd.pretty || rd.c.faults.pretty() {
		var b bytes.Buffer
		if json.Indent(&b, rd.buf[start:], "", "  ") == nil {
			rd.buf = append(rd.buf[:start], b.Bytes()...)
		}
	}
}

// control writes a control chunk; an empty offset means the present position.
func (rd *read) control(offset string) {
	if offset == "" {
		offset = rd.col.offset(rd.pos)
		if o, ok := rd.c.faults.offset(); ok {
			offset = o
		}
	}
	rd.since = 0
	start := rd.begin()
	rd.buf = append(rd.buf, `{"chunk_type":"CT_CONTROL","chunk_control":{"connection_id":"`...)
	rd.buf = append(rd.buf, rd.id...)
	rd.buf = append(rd.buf, `","resume_offset":`...)
	rd.buf = append(rd.buf, encode(offset)...)
	rd.buf = append(rd.buf, `,"collector_id":"`...)
	rd.buf = append(rd.buf, rd.col.id...)
	rd.buf = append(rd.buf, `"}}`...)
	rd.end(start)
}

// errorChunk writes a CT_ERROR chunk. Its form is published nowhere; this one looks like an envelope.
func (rd *read) errorChunk(code int, message string) {
	if message == "" {
		message = errorTable[code].message
	}
	start := rd.begin()
	rd.buf = append(rd.buf, `{"chunk_type":"CT_ERROR","chunk_error":{"status_code":"`...)
	rd.buf = strconv.AppendInt(rd.buf, int64(code), 10)
	rd.buf = append(rd.buf, `","status_message":`...)
	rd.buf = append(rd.buf, encode(message)...)
	rd.buf = append(rd.buf, `}}`...)
	rd.end(start)
	rd.c.code = code
}

func (rd *read) disconnected() {
	rd.errorChunk(24, "")
	rd.flush(true)
}

// flush writes the buffer; now also pushes it out of the server's own buffers.
func (rd *read) flush(now bool) bool {
	if rd.err == nil && len(rd.buf) > 0 {
		_, rd.err = rd.c.w.Write(rd.buf)
	}
	rd.buf = rd.buf[:0]
	if rd.err == nil && now {
		rd.err = http.NewResponseController(rd.c.w).Flush()
		if rd.err != nil && isUnsupported(rd.err) {
			rd.err = nil
		}
	}
	return rd.err == nil
}
