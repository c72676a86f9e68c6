package lakes

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"tw2parquet/bench/lakes/servers"
	"tw2parquet/sink/store/storetest"
)

// The server that `make test` plays S3 with answers as versitygw does: the same requests get the same answers, and leave
// the same objects and uploads.
func TestPlayed_AnswersAsVersitygwDoes(t *testing.T) {
	gateway, name := bucket(t, versity)
	server := httptest.NewServer(storetest.NewS3(name))
	t.Cleanup(server.Close)
	want, got := dialogue(t, gateway, name), dialogue(t, &servers.S3{Endpoint: server.URL}, name)
	if !slices.Equal(got, want) {
		t.Errorf("the played server answers\n%s\nversitygw\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// dialogue is what a server answers to each request that an output sends, and to some that go wrong.
func dialogue(t *testing.T, server *servers.S3, bucket string) (all []string) {
	ctx, c := t.Context(), server.Client()
	tell := func(what string, err error, more ...any) {
		answer := "fine"
		if err != nil {
			var api smithy.APIError
			var response *awshttp.ResponseError
			if !errors.As(err, &api) || !errors.As(err, &response) {
				t.Fatalf("%s: %v", what, err)
			}
			answer = fmt.Sprint(response.HTTPStatusCode(), " ", api.ErrorCode())
		}
		all = append(all, fmt.Sprint(what, ": ", answer, " ", fmt.Sprint(more...)))
	}
	sum := func(text string) *string {
		crc := crc64.Checksum([]byte(text), crc64.MakeTable(0x9a6c9329ac4bc9b5))
		return aws.String(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc)))
	}
	put := func(key, text, summed string) {
		_, err := c.PutObject(ctx, &awss3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(text), IfNoneMatch: aws.String("*"), ChecksumCRC64NVME: sum(summed)})
		tell("put "+key+" "+text, err)
	}
	get := func(key, span string) {
		out, err := c.GetObject(ctx, &awss3.GetObjectInput{Bucket: &bucket, Key: &key, Range: aws.String("bytes=" + span)})
		if err != nil {
			tell("get "+key+" "+span, err)
			return
		}
		text, err := io.ReadAll(out.Body)
		_ = out.Body.Close()
		tell("get "+key+" "+span, err, len(text), " ", string(text[:min(len(text), 9)]), " ", aws.ToString(out.ContentRange))
	}
	list := func(prefix string) {
		out, err := c.ListObjectsV2(ctx, &awss3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix, EncodingType: types.EncodingTypeUrl})
		tell("list "+prefix, err)
		if err == nil {
			for _, o := range out.Contents {
				key, err := aws.ToString(o.Key), error(nil)
				if out.EncodingType == types.EncodingTypeUrl { // versitygw does not, and does not say that it does
					key, err = url.QueryUnescape(key)
				}
				tell("  listed", err, key, " ", aws.ToInt64(o.Size))
			}
		}
	}
	uploads := func(prefix string) {
		out, err := c.ListMultipartUploads(ctx, &awss3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: &prefix})
		tell("uploads "+prefix, err)
		if err == nil {
			for _, u := range out.Uploads {
				tell("  open", nil, aws.ToString(u.Key))
			}
		}
	}
	remove := func(key, match string) {
		in := &awss3.DeleteObjectInput{Bucket: &bucket, Key: &key}
		if match != "" {
			in.IfMatch = &match
		}
		_, err := c.DeleteObject(ctx, in)
		tell("remove "+key+" "+match, err)
	}
	begin := func(key string) string {
		out, err := c.CreateMultipartUpload(ctx, &awss3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject})
		tell("begin "+key, err)
		return aws.ToString(out.UploadId)
	}
	part := func(key, id string, n int32, text, summed string) types.CompletedPart {
		out, err := c.UploadPart(ctx, &awss3.UploadPartInput{Bucket: &bucket, Key: &key, UploadId: &id, PartNumber: &n, Body: strings.NewReader(text), ChecksumCRC64NVME: sum(summed)})
		tell(fmt.Sprint("part ", n, " of ", key), err)
		p := types.CompletedPart{PartNumber: &n, ChecksumCRC64NVME: sum(text)}
		if err == nil {
			p.ETag = out.ETag
		}
		return p
	}
	complete := func(what, key, id, text string, parts ...types.CompletedPart) {
		size := int64(len(text))
		_, err := c.CompleteMultipartUpload(ctx, &awss3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: &id, IfNoneMatch: aws.String("*"), MpuObjectSize: &size,
			ChecksumCRC64NVME: sum(text), ChecksumType: types.ChecksumTypeFullObject, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
		tell("complete "+what, err)
	}
	abort := func(key, id string) {
		_, err := c.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: &id})
		tell("abort "+key, err)
	}

	put("a/one", "text", "text")
	put("a/one", "else", "else")
	put("a/two", "text", "another")
	put("a/two +é", "a longer text", "a longer text")
	put("b", "", "")
	for _, span := range []string{"0-3", "2-2", "3-100", "4-9"} {
		get("a/one", span)
	}
	get("a/nothing", "0-3")
	for _, prefix := range []string{"", "a/", "a/two", "c"} {
		list(prefix)
	}
	remove("a/nothing", "")
	remove("a/one", `"another-tag"`)
	large := string(bytes.Repeat([]byte("part "), 1<<20))
	id := begin("large")
	part("large", id, 1, large, "another")
	first, second := part("large", id, 1, large, large), part("large", id, 2, "end", "end")
	uploads("")
	list("large")
	complete("with another checksum", "large", id, strings.ToUpper(large)+"end", first, second)
	complete("with another size", "large", id, large, first, second)
	complete("of a part that is not there", "large", id, large+"end", first, types.CompletedPart{PartNumber: aws.Int32(3), ETag: first.ETag, ChecksumCRC64NVME: sum(large)})
	complete("", "large", id, large+"end", first, second)
	complete("again", "large", id, large+"end", first, second)
	get("large", "5242876-5242882")
	taken := begin("b")
	only := part("b", taken, 1, "text", "text")
	complete("on a name that is taken", "b", taken, "text", only)
	uploads("b")
	abort("b", taken)
	abort("b", taken)
	uploads("")
	part("b", taken, 1, "text", "text")
	for _, key := range []string{"a/one", "a/one", "large"} {
		remove(key, "")
	}
	list("")
	return all
}
