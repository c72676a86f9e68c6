package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"tw2parquet/bench/lakes/servers"
)

// column is the one that is read; no request asks for the bytes of others.
const column = "lang"

// readerAt reads a part of an object.
type readerAt func(p []byte, off int64) (int, error)

func (r readerAt) ReadAt(p []byte, off int64) (int, error) { return r(p, off) }

// readBack counts documents by language with Arrow's reader, over ranged requests, and holds their sum to what was
// exported.
func readBack(ctx context.Context, server *servers.S3, want int64, stdout io.Writer) error {
	client := server.Client()
	languages := map[string]int64{}
	var rows, size, read, requests int64
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(prefix + "/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the files: %w", err)
		}
		for _, o := range page.Contents {
			if !strings.HasSuffix(aws.ToString(o.Key), ".parquet") {
				continue
			}
			part := func(p []byte, off int64) (int, error) {
				answer, err := client.GetObject(ctx, &s3.GetObjectInput{
					Bucket: aws.String(bucket), Key: o.Key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1)),
				})
				if err != nil {
					return 0, err
				}
				defer answer.Body.Close()
				n, err := io.ReadFull(answer.Body, p)
				read, requests = read+int64(n), requests+1
				return n, err
			}
			n, err := count(io.NewSectionReader(readerAt(part), 0, aws.ToInt64(o.Size)), languages)
			if err != nil {
				return fmt.Errorf("read %s: %w", aws.ToString(o.Key), err)
			}
			rows, size = rows+n, size+aws.ToInt64(o.Size)
		}
	}
	fmt.Fprintf(stdout, "\nArrow's Parquet reader reads it back over S3, %d of %d bytes in %d requests:\n\n", read, size, requests)
	for _, name := range slices.SortedFunc(maps.Keys(languages), func(a, b string) int { return cmp.Or(cmp.Compare(languages[b], languages[a]), cmp.Compare(a, b)) }) {
		fmt.Fprintf(stdout, "  %-6s %6d\n", name, languages[name])
	}
	if rows == 0 || want != 0 && rows != want {
		return fmt.Errorf("the bucket holds %d documents, and %d were exported", rows, want)
	}
	return nil
}

// count adds the values of the column to those counted.
func count(at parquet.ReaderAtSeeker, values map[string]int64) (rows int64, err error) {
	r, err := file.NewParquetReader(at)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	index := r.MetaData().Schema.ColumnIndexByName(column)
	for g := range r.NumRowGroups() {
		chunk, err := r.RowGroup(g).Column(index)
		if err != nil {
			return 0, err
		}
		texts, ok := chunk.(*file.ByteArrayColumnChunkReader)
		if !ok {
			return 0, fmt.Errorf("the column %s is not text", column)
		}
		batch, levels := make([]parquet.ByteArray, 1024), make([]int16, 1024)
		for texts.HasNext() {
			total, present, err := texts.ReadBatch(int64(len(batch)), batch, levels, nil)
			if err != nil {
				return 0, err
			}
			for _, text := range batch[:present] {
				values[text.String()]++
			}
			if missing := total - int64(present); missing > 0 {
				values["NULL"] += missing
			}
			rows += total
		}
		if err := texts.Err(); err != nil {
			return 0, err
		}
	}
	return rows, nil
}
