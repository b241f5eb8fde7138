"""The service that starts the pump."""

import pump


class Service:
    """Starts and stops it."""

    def start(self):
        self.pump = pump.open("/dev/pump0")
        self.pump.start()

    def stop(self):
        self.pump.stop()
        self.pump.close()

    def restart(self):
        self.stop()
        self.start()
        if not self.pump.is_running():
            raise RuntimeError("the pump does not run after it was started again")
