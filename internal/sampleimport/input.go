package sampleimport

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// A table holds the records of a file, whatever its format.
type table interface {
	columns() []string
	// use says which columns will be asked for. It is called before next.
	use(columns []int) error
	// next goes to the next record; its error is io.EOF behind the last one.
	next() error
	value(column int) value
	// place is the number of the record's first line, or of its row; unit says which.
	place() (number int64, unit string)
}

// What a table counts.
const (
	unitLine = "line"
	unitRow  = "row"
)

// A value is a field of a record. Texts have no blanks around them.
type value struct {
	kind   kind
	text   string
	number float64
	at     wall
}

type kind int

const (
	kindNone kind = iota
	kindText
	kindNumber
	kindTime
)

func number(v float64) value { return value{kind: kindNumber, number: v} }

func (v value) word() string {
	if v.kind == kindNumber {
		return strconv.FormatFloat(v.number, 'f', -1, 64)
	}
	return v.text
}

// An opener opens one file; close closes all that was opened for it.
type opener struct {
	ctx    context.Context
	rules  rules
	count  func(int)
	closer []io.Closer
}

func (o *opener) close() {
	for _, c := range o.closer {
		_ = c.Close() // nothing is lost with a reader
	}
}

func (o *opener) open(f File) (table, error) {
	raw, err := f.Open()
	if err != nil {
		return nil, err
	}
	o.closer = append(o.closer, raw)
	file, ok := raw.(*os.File)
	if ok {
		if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
			file = nil
		}
	}
	return o.decode(&input{ctx: o.ctx, r: raw, count: o.count}, file)
}

const (
	peeked = 512
	mark8  = "\xef\xbb\xbf"
)

// decode returns the table in r; file is r's bytes for reading at any place, nil if they can't be.
func (o *opener) decode(r io.Reader, file *os.File) (table, error) {
	in := bufio.NewReaderSize(r, bufferSize)
	head, err := in.Peek(peeked)
	if err != nil && !isEnd(err) {
		return nil, err
	}
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case begins("\x1f\x8b"):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		return o.decode(z, nil)
	case begins("PK\x03\x04"), begins("PAR1"):
		section, err := o.section(in, file)
		if err != nil {
			return nil, err
		}
		if begins("PAR1") {
			return openParquet(section)
		}
		return o.unzip(section)
	case begins("ARROW1\x00\x00"): // a stream between this and a footer
		_, _ = in.Discard(8)
		return openArrow(in)
	case begins("\xff\xff\xff\xff"):
		return openArrow(in)
	}
	if what := foreign(head); what != "" {
		return nil, errors.New(what)
	}
	return o.text(in, head)
}

// foreign says what a file is that is not read, and what to do about it.
func foreign(head []byte) string {
	start := strings.TrimSpace(string(head))
	for _, known := range []struct{ magic, what string }{
		{"version https://git-lfs", "the file is a Git LFS pointer; `git lfs pull` fetches the file itself"},
		{"<!doctype html", "the file is a web page; download the file that the page is about"},
		{"<html", "the file is a web page; download the file that the page is about"},
		{"<?xml", "the file is XML; convert it to CSV"},
		{"\xd0\xcf\x11\xe0", "the file is an Excel workbook (.xls); save it as CSV"},
		{"(\xb5/\xfd", "the file is packed by Zstandard; unpack it (zstd -d)"},
		{"BZh", "the file is packed by bzip2; unpack it (bunzip2)"},
		{"\xfd7zXZ", "the file is packed by xz; unpack it (unxz)"},
		{"7z\xbc\xaf", "the file is a 7z archive; unpack it (7z x)"},
		{"\x89HDF", "the file is HDF5; convert it to CSV or Parquet"},
		{"CDF", "the file is NetCDF; convert it to CSV or Parquet"},
		{"%PDF", "the file is a PDF; CSV, Parquet and Arrow are read"},
		{"SQLite format 3", "the file is an SQLite database; export its table as CSV"},
	} {
		if strings.HasPrefix(start, known.magic) || strings.HasPrefix(strings.ToLower(start), known.magic) {
			return known.what
		}
	}
	return ""
}

func (o *opener) text(in *bufio.Reader, head []byte) (table, error) {
	wide := bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff"))
	switch encoding := o.rules.encoding; {
	case encoding != nil:
		in = bufio.NewReaderSize(transform.NewReader(in, unicode.BOMOverride(encoding.NewDecoder())), bufferSize)
	case wide:
		in = bufio.NewReaderSize(transform.NewReader(in, unicode.BOMOverride(transform.Nop)), bufferSize)
	case bytes.IndexByte(head, 0) >= 0:
		return nil, errors.New("the file holds NUL bytes; --encoding utf-16le or utf-16be reads UTF-16, other binary files are not read")
	case bytes.HasPrefix(head, []byte(mark8)):
		_, _ = in.Discard(len(mark8))
	}
	var records [][]string
	o.rules.delimiter, records = sniff(in, o.rules)
	t, err := openCSV(in, o.rules)
	t.records = records
	return t, err
}

// section returns file, or a temporary copy of in where there is none.
func (o *opener) section(in io.Reader, file *os.File) (*io.SectionReader, error) {
	if file == nil {
		var err error
		if file, err = os.CreateTemp("", "delfos-import-*"); err != nil {
			return nil, err
		}
		o.closer = append(o.closer, file)
		if err = os.Remove(file.Name()); err == nil {
			_, err = io.Copy(file, in)
		}
		if err != nil {
			return nil, err
		}
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(file, 0, info.Size()), nil
}

func (o *opener) unzip(r *io.SectionReader) (table, error) {
	archive, err := zip.NewReader(r, r.Size())
	if err != nil {
		return nil, err
	}
	var files []*zip.File
	var held []string
	for _, f := range archive.File {
		if f.Name == "[Content_Types].xml" {
			return nil, errors.New("the file is an Excel workbook (.xlsx); save it as CSV")
		}
		if !f.FileInfo().IsDir() && !strings.HasPrefix(f.Name, "__MACOSX/") {
			files, held = append(files, f), append(held, quote(f.Name))
		}
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("the zip archive holds %d files, want one: %s", len(files), strings.Join(held[:min(len(held), 10)], ", "))
	}
	inner, err := files[0].Open()
	if err != nil {
		return nil, err
	}
	o.closer = append(o.closer, inner)
	return o.decode(inner, nil)
}

func isEnd(err error) bool { return errors.Is(err, io.EOF) }

// An input is what a file's bytes are read from. It counts them, and ends with ctx also
// while the file's reader blocks (standard input can).
type input struct {
	ctx   context.Context
	r     io.Reader
	count func(int)
}

// Read implements io.Reader. When ctx ends first, the abandoned read goes on
// in its goroutine, into a buffer of its own, until the file is closed.
func (in *input) Read(p []byte) (int, error) {
	type chunk struct {
		data []byte
		err  error
	}
	read := make(chan chunk, 1)
	go func() {
		buf := make([]byte, len(p))
		n, err := in.r.Read(buf)
		read <- chunk{buf[:n], err}
	}()
	select {
	case <-in.ctx.Done():
		return 0, in.ctx.Err()
	case c := <-read:
		n := copy(p, c.data)
		in.count(n)
		return n, c.err
	}
}
