package main

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// A file of an archive.
type file struct {
	name    string // in the archive
	mode    fs.FileMode
	from    string // the file that it is a copy of
	content []byte // instead of from
}

func (f file) bytes() ([]byte, error) {
	if f.from == "" {
		return f.content, nil
	}
	return os.ReadFile(f.from)
}

// packTar writes a tar.gz that depends on nothing but its arguments: not on who
// packs, nor when.
func packTar(to string, at time.Time, files []file) error {
	return write(to, func(out io.Writer) error {
		zipped, err := gzip.NewWriterLevel(out, gzip.BestCompression)
		if err != nil {
			return err
		}
		archive := tar.NewWriter(zipped)
		for _, f := range files {
			content, err := f.bytes()
			if err != nil {
				return err
			}
			header := &tar.Header{Name: f.name, Mode: int64(f.mode), Size: int64(len(content)), ModTime: at, Format: tar.FormatPAX}
			if err := archive.WriteHeader(header); err != nil {
				return err
			}
			if _, err := archive.Write(content); err != nil {
				return err
			}
		}
		return cmp.Or(archive.Close(), zipped.Close())
	})
}

// packZip does the same for systems that unpack zip.
func packZip(to string, at time.Time, files []file) error {
	return write(to, func(out io.Writer) error {
		archive := zip.NewWriter(out)
		for _, f := range files {
			content, err := f.bytes()
			if err != nil {
				return err
			}
			header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
			header.SetMode(f.mode)
			entry, err := archive.CreateHeader(header)
			if err != nil {
				return err
			}
			if _, err := entry.Write(content); err != nil {
				return err
			}
		}
		return archive.Close()
	})
}

func write(to string, fill func(io.Writer) error) error {
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(fill(out), out.Close())
}
