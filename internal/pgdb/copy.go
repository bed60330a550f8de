package pgdb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Table says how the rows of one table get from another database into PostgreSQL.
type Table struct {
	Name string

	// From reads the rows in the other database; they need no order.
	From string

	// Map makes a row of the table of what was read, whose values are int64, []byte and nil. Nil: they are the same.
	Map func(row []any) ([]any, error)

	// Columns are those of the table, each with its kind before a colon: i for an integer, t for a boolean from 0 or 1, b for a
	// bytea, n for one that may be NULL, s for a text. Read are the kinds of what From reads, one letter each; "" means as Columns.
	Columns []string
	Read    string

	// Same makes of a row that was read (there false) and of one of the table (there true) what must be alike when all is
	// copied, and is to know nothing of how Map does it. Nil: a mapped row is alike.
	Same func(row []any, there bool) ([]any, error)
}

// Copied is what was copied of one table.
type Copied struct {
	Table  string
	Rows   int64
	Digest string // of all rows, as they were read back from PostgreSQL; it does not depend on their order
}

// ErrDiffers is wrapped by the error of [Table.Copy] if what is read back is not what was written.
var ErrDiffers = errors.New("the copy differs")

const (
	copyRows  = 500
	copyBytes = 4 << 20
)

func (t *Table) kinds() (kinds string, names []string) {
	for _, c := range t.Columns {
		kind, name, _ := strings.Cut(c, ":")
		kinds, names = kinds+kind, append(names, name)
	}
	return kinds, names
}

// Empty tells whether the table has no row, and keeps others from writing to it until the transaction ends.
func (t *Table) Empty(ctx context.Context, to *sql.Tx) (empty bool, err error) {
	if _, err := to.ExecContext(ctx, `LOCK TABLE `+t.Name+` IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		return false, err
	}
	return empty, to.QueryRowContext(ctx, `SELECT NOT EXISTS (SELECT FROM `+t.Name+`)`).Scan(&empty)
}

// Copy writes the rows that From reads and reads them back. The error wraps [ErrDiffers] if they are not the same.
func (t *Table) Copy(ctx context.Context, to *sql.Tx, from interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}) (Copied, error) {
	kinds, names := t.kinds()
	read := t.Read
	if read == "" {
		read = kinds
	}
	var was, is multiset
	b := batch{to: to, table: t.Name, kinds: kinds, names: names}
	rows, err := from.QueryContext(ctx, t.From)
	err = each(rows, err, read, func(row []any) error {
		mapped := row
		if t.Map != nil {
			var err error
			if mapped, err = t.Map(row); err != nil {
				return err
			}
		}
		same := mapped
		if t.Same != nil {
			var err error
			if same, err = t.Same(row, false); err != nil {
				return err
			}
		}
		was.add(same)
		return b.add(ctx, mapped)
	})
	if err == nil {
		err = b.flush(ctx)
	}
	if err != nil {
		return Copied{}, fmt.Errorf("pgdb: copy %s: %w", t.Name, err)
	}
	back := make([]string, len(names))
	for i, name := range names {
		switch kinds[i] {
		case 't':
			back[i] = name + "::integer"
		case 's':
			back[i] = "convert_to(" + name + ", 'UTF8')"
		default:
			back[i] = name
		}
	}
	rows, err = to.QueryContext(ctx, `SELECT `+strings.Join(back, ", ")+` FROM `+t.Name)
	err = each(rows, err, kinds, func(row []any) error {
		if t.Same != nil {
			var err error
			if row, err = t.Same(row, true); err != nil {
				return err
			}
		}
		is.add(row)
		return nil
	})
	if err == nil && was != is {
		err = fmt.Errorf("%w: %d rows with digest %s, of %d with %s", ErrDiffers, is.rows, is.digest(), was.rows, was.digest())
	}
	if err != nil {
		return Copied{}, fmt.Errorf("pgdb: read %s back: %w", t.Name, err)
	}
	return Copied{Table: t.Name, Rows: is.rows, Digest: is.digest()}, nil
}

func each(rows *sql.Rows, err error, kinds string, fn func(row []any) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		numbers, texts, into := make([]int64, len(kinds)), make([][]byte, len(kinds)), make([]any, len(kinds))
		for i, k := range kinds {
			if into[i] = &numbers[i]; k != 'i' && k != 't' {
				into[i] = &texts[i]
			}
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		row := make([]any, len(kinds))
		for i, k := range kinds {
			switch {
			case k == 'i' || k == 't':
				row[i] = numbers[i]
			case k != 'n' && texts[i] == nil:
				row[i] = []byte{}
			case texts[i] != nil:
				row[i] = texts[i]
			}
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// batch writes some rows at once.
type batch struct {
	to    *sql.Tx
	table string
	kinds string
	names []string

	rows  int
	bytes int
	lists []strings.Builder
}

func (b *batch) add(ctx context.Context, row []any) error {
	if len(row) != len(b.kinds) {
		return fmt.Errorf("a row of %d values for %d columns", len(row), len(b.kinds))
	}
	if b.lists == nil {
		b.lists = make([]strings.Builder, len(b.kinds))
	}
	for i, v := range row {
		l := &b.lists[i]
		if l.WriteByte(','); b.rows == 0 {
			l.Reset()
			l.WriteByte('{')
		}
		switch v := v.(type) {
		case int64:
			l.WriteString(strconv.FormatInt(v, 10))
		case []byte:
			l.WriteString(`"\\x` + hex.EncodeToString(v) + `"`)
			b.bytes += len(v)
		default:
			l.WriteString("NULL")
		}
	}
	if b.rows++; b.rows >= copyRows || b.bytes >= copyBytes {
		return b.flush(ctx)
	}
	return nil
}

func (b *batch) flush(ctx context.Context) error {
	if b.rows == 0 {
		return nil
	}
	values, lists, args := make([]string, len(b.kinds)), make([]string, len(b.kinds)), make([]any, len(b.kinds))
	for i, k := range b.kinds {
		values[i], lists[i] = fmt.Sprintf("v%d", i), fmt.Sprintf("$%d::bytea[]", i+1)
		switch k {
		case 'i':
			lists[i] = fmt.Sprintf("$%d::bigint[]", i+1)
		case 't':
			values[i], lists[i] = fmt.Sprintf("v%d <> 0", i), fmt.Sprintf("$%d::bigint[]", i+1)
		case 's':
			values[i] = fmt.Sprintf("convert_from(v%d, 'UTF8')", i)
		}
		args[i] = b.lists[i].String() + "}"
	}
	aliases := make([]string, len(b.kinds))
	for i := range aliases {
		aliases[i] = fmt.Sprintf("v%d", i)
	}
	_, err := b.to.ExecContext(ctx, `INSERT INTO `+b.table+` (`+strings.Join(b.names, ", ")+`) OVERRIDING SYSTEM VALUE
		SELECT `+strings.Join(values, ", ")+` FROM unnest(`+strings.Join(lists, ", ")+`) AS v (`+strings.Join(aliases, ", ")+`)`, args...)
	b.rows, b.bytes, b.lists = 0, 0, nil
	return err
}

// multiset is a digest of rows in any order: the sum of their SHA-256, as four numbers. It finds what was lost or changed by
// accident, and is not meant for more.
type multiset struct {
	rows int64
	sum  [4]uint64
}

func (m *multiset) add(row []any) {
	h := sha256.New()
	var n [9]byte
	for _, v := range row {
		switch v := v.(type) {
		case int64:
			n[0] = 1
			binary.BigEndian.PutUint64(n[1:], uint64(v))
			h.Write(n[:])
		case []byte:
			n[0] = 2
			binary.BigEndian.PutUint64(n[1:], uint64(len(v)))
			h.Write(n[:])
			h.Write(v)
		default:
			h.Write([]byte{0})
		}
	}
	sum := h.Sum(nil)
	for i := range m.sum {
		m.sum[i] += binary.BigEndian.Uint64(sum[8*i:])
	}
	m.rows++
}

func (m *multiset) digest() string {
	return fmt.Sprintf("%016x%016x%016x%016x", m.sum[0], m.sum[1], m.sum[2], m.sum[3])
}
