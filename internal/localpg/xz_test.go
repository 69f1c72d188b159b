package localpg_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// xzWriter writes the xz format without compressing: enough for an archive
// that the library under test reads. See the .xz file format, version 1.2.
type xzWriter struct {
	to      io.Writer
	content bytes.Buffer
}

func newXZ(to io.Writer) *xzWriter { return &xzWriter{to: to} }

func (x *xzWriter) Write(p []byte) (int, error) { return x.content.Write(p) }

func withCRC(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

func padded(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// Close writes the stream: header, one block, index, footer.
func (x *xzWriter) Close() error {
	flags := []byte{0, 1} // CRC32 of the content
	header := append([]byte{0xfd, '7', 'z', 'X', 'Z', 0}, withCRC(flags)[:2]...)
	header = binary.LittleEndian.AppendUint32(header, crc32.ChecksumIEEE(flags))

	// Size 12, one filter, LZMA2 (0x21) with one byte of properties: 64 KiB.
	blockHeader := withCRC([]byte{2, 0, 0x21, 1, 8, 0, 0, 0})
	block := blockHeader
	const chunk = 1 << 16
	control := byte(1) // stored, and the dictionary begins anew
	for rest := x.content.Bytes(); len(rest) > 0; control = 2 {
		n := min(len(rest), chunk)
		block = append(block, control)
		block = binary.BigEndian.AppendUint16(block, uint16(n-1))
		block = append(block, rest[:n]...)
		rest = rest[n:]
	}
	block = append(block, 0) // no more chunks
	unpaddedSize := len(block) + crc32.Size
	block = padded(block)
	block = binary.LittleEndian.AppendUint32(block, crc32.ChecksumIEEE(x.content.Bytes()))

	index := []byte{0, 1} // one record
	index = binary.AppendUvarint(index, uint64(unpaddedSize))
	index = binary.AppendUvarint(index, uint64(x.content.Len()))
	index = withCRC(padded(index))

	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, flags...)
	footer = append(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(footer)), footer...)
	footer = append(footer, 'Y', 'Z')

	for _, part := range [][]byte{header, block, index, footer} {
		if _, err := x.to.Write(part); err != nil {
			return err
		}
	}
	return nil
}
