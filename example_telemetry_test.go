package fedihook_test

import (
	"context"
	"fmt"
	"log"

	"go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/telemetry"
)

// Where metrics and traces go is the app's choice: these providers have no exporter.
func Example_telemetry() {
	traces := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.01))))
	meters := metric.NewMeterProvider()
	site, err := fedihook.New(fedihook.Config{
		Origin:    "https://blog.example",
		Profile:   func(context.Context, string) (actor.Profile, error) { return actor.Profile{Handle: "anna"}, nil },
		Telemetry: &telemetry.Telemetry{TracerProvider: traces, MeterProvider: meters},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(site != nil)
	// Output: true
}
