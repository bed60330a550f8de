package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fedihook/fedihook/internal/bench"
)

// sink is the process to which everything is posted, as all hosts at once. What it counted is what arrived.
type sink struct {
	*bench.Child
	address string
	roots   *x509.CertPool // nil without TLS
}

const tarpitHost = "tar" // hosts whose name begins so take requests and never answer

func startSink(ctx context.Context, delay time.Duration, withTLS bool, more ...string) (*sink, error) {
	c, err := bench.Start(ctx, append([]string{"-child", "sink", "-delay", delay.String(), "-tls=" + strconv.FormatBool(withTLS)}, more...)...)
	if err != nil {
		return nil, err
	}
	s := &sink{Child: c}
	var certificate string
	s.address, certificate, _ = strings.Cut(c.Said, " ")
	if withTLS {
		der, err := base64.StdEncoding.DecodeString(certificate)
		if err != nil {
			return nil, err
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		s.roots = x509.NewCertPool()
		s.roots.AddCert(cert)
	}
	return s, nil
}

// count asks how many posts were taken.
func (s *sink) count(ctx context.Context) (int, error) { return s.ask(ctx, "/count") }

// last is when the last post was taken, in nanoseconds.
func (s *sink) last(ctx context.Context) (int, error) { return s.ask(ctx, "/last") }

// hosts asks how many hosts took something since then. The sink must have been started with -notes.
func (s *sink) hosts(ctx context.Context, since time.Time) (int, error) {
	return s.ask(ctx, "/hosts?"+strconv.FormatInt(since.UnixNano(), 10))
}

func (s *sink) ask(ctx context.Context, what string) (int, error) {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.roots, ServerName: "ok0.test"}}
	scheme := "http"
	if s.roots != nil {
		scheme = "https"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+s.address+what, nil)
	if err != nil {
		return 0, err
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 20))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

// beSink serves until ctx ends.
func beSink(ctx context.Context, o childArgs) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var taken, last atomic.Int64
	var mu sync.Mutex
	at := make(map[string]int64) // by host, if it is to note that
	server := &http.Server{
		// No ReadHeaderTimeout: a connection that the client dialled in vain may wait for its first request.
		ErrorLog: log.New(io.Discard, "", 0), // of hang-ups
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				switch r.URL.Path {
				case "/count":
					fmt.Fprint(w, taken.Load())
				case "/last":
					fmt.Fprint(w, last.Load())
				case "/hosts":
					since, _ := strconv.ParseInt(r.URL.RawQuery, 10, 64)
					n := 0
					mu.Lock()
					defer mu.Unlock()
					for _, t := range at {
						if t >= since {
							n++
						}
					}
					fmt.Fprint(w, n)
				}
				return
			}
			if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, 1<<20)); err != nil {
				return
			}
			if strings.HasPrefix(r.Host, tarpitHost) {
				<-r.Context().Done()
				return
			}
			if o.delay > 0 {
				time.Sleep(o.delay)
			}
			now := time.Now().UnixNano()
			if o.notes {
				mu.Lock()
				at[r.Host] = now
				mu.Unlock()
			}
			last.Store(now)
			taken.Add(1)
			w.WriteHeader(http.StatusAccepted)
		}),
	}
	said := l.Addr().String()
	if o.tls {
		certificate, err := selfSigned()
		if err != nil {
			return err
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
		said += " " + base64.StdEncoding.EncodeToString(certificate.Certificate[0])
		l = tls.NewListener(l, server.TLSConfig)
	}
	fmt.Println(said)
	go func() { <-ctx.Done(); _ = server.Close() }()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sink"}, DNSNames: []string{"*.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
