// Reads an answer of the source API in Arrow or Parquet from standard input and
// writes its rows as the API writes NDJSON where a timestamp has a fraction: all have six digits. On standard error goes a line of
// JSON: the units of the columns, and in how many parts the rows came.
//
//   node read.mjs arrow|parquet <file >rows.ndjson
import { readFileSync, writeSync } from 'node:fs'
import { RecordBatchReader } from 'apache-arrow'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

const micros = value => {
  const seconds = value / 1_000_000n - (value % 1_000_000n < 0n ? 1n : 0n)
  const fraction = String(value - seconds * 1_000_000n).padStart(6, '0')
  return new Date(Number(seconds) * 1000).toISOString().slice(0, 19) + '.' + fraction + 'Z'
}

const unitsOf = schema => Object.fromEntries(
  schema.fields.filter(f => f.metadata.has('unit')).map(f => [f.name, f.metadata.get('unit')]))

// readArrow takes the numbers from memory as they are: the library's own
// accessors make milliseconds of a timestamp.
function readArrow(bytes) {
  const reader = RecordBatchReader.from(bytes).open()
  const units = unitsOf(reader.schema) // gone once the reader is at its end
  const rows = []
  let parts = 0
  for (const batch of reader) {
    parts++
    for (let i = 0; i < batch.numRows; i++) {
      const row = {}
      for (const [j, field] of batch.schema.fields.entries()) {
        const data = batch.data.children[j]
        const value = data.getValid(i) ? data.values[i] : null
        row[field.name] = typeof value === 'bigint' ? micros(value) : value
      }
      rows.push(row)
    }
  }
  return { rows, parts, units }
}

async function readParquet(bytes) {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
  const metadata = parquetMetadata(file)
  const rows = await parquetReadObjects({ file, metadata, compressors, parsers: { timestampFromMicroseconds: micros } })
  const stored = metadata.key_value_metadata.find(kv => kv.key === 'ARROW:schema').value
  const { schema } = RecordBatchReader.from(Buffer.from(stored, 'base64')).open()
  return { rows, parts: metadata.row_groups.length, units: unitsOf(schema) }
}

const read = { arrow: readArrow, parquet: readParquet }[process.argv[2]]
if (!read) throw new Error('usage: node read.mjs arrow|parquet')
const { rows, parts, units } = await read(readFileSync(0))

// The API writes a whole-number reading with .0, which JavaScript leaves out.
const written = (name, value) =>
  name in units && Number.isInteger(value) && Math.abs(value) < 1e21 ? value + '.0' : JSON.stringify(value)
const line = row => '{' + Object.entries(row).map(([name, value]) => `"${name}":${written(name, value)}`).join() + '}\n'
const out = Buffer.from(rows.map(line).join(''))
for (let at = 0; at < out.length;) at += writeSync(1, out, at)
console.error(JSON.stringify({ parts, units }))
