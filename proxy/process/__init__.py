"""This process on its machine: `clocks`, loop and memory (`running`, `allocation`), service manager (`activation`, `service_manager`)."""
