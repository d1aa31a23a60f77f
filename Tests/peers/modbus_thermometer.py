"""A Modbus RTU thermometer: pymodbus as the server on a pseudo-terminal of its own, and a cable from there to the
lane's line that can delay, lose and garble what the thermometer says.

Both live on a thread of their own: a test that waits for `lanectl` meanwhile does not keep the thermometer from
answering in the 200 ms that it is given."""

from __future__ import annotations

import asyncio
import os
import threading
import tty
from pathlib import Path

from lanesim_parts.serial_line import SerialLine
from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

UNIT = 7
OBJECT_REGISTER = 0x12
AMBIENT_REGISTER = 0x14
STEP_SECONDS = 0.001
BOUND = 60


class ModbusThermometer:
    def __init__(self, link: Path) -> None:
        self.line = SerialLine(link)
        self.object_celsius = 24.0
        self.ambient_celsius = 24.0
        self.exception: ExcCodes | None = None
        self.delay_seconds = 0.0
        self.is_silent = False
        self.is_garbled = False
        self.questions = 0
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Does nothing the second time."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(BOUND)
        assert not self._thread.is_alive(), "pymodbus does not end"
        self._loop.close()
        os.close(self._master)
        os.close(self._slave)
        self.line.unplug()

    async def _serve(self) -> None:
        registers = SimData(0, count=64, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(id=UNIT, simdata=[registers], action=self._read)
        server = ModbusSerialServer(
            device, framer=FramerType.RTU, port=os.ttyname(self._slave), baudrate=9600, timeout=1
        )
        tasks = [asyncio.ensure_future(server.serve_forever()), asyncio.ensure_future(self._carry())]
        await self._stopping.wait()
        await server.shutdown()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, function, start, address, count, registers, values):
        self.questions += 1
        if self.exception is not None:
            return self.exception
        for register, celsius in ((OBJECT_REGISTER, self.object_celsius), (AMBIENT_REGISTER, self.ambient_celsius)):
            registers[register - start] = round(celsius * 10) & 0xFFFF
        return None

    async def _carry(self) -> None:
        """The cable."""
        while True:
            if question := self.line.receive():
                os.write(self._master, question)
            try:
                reply = os.read(self._master, 256)
            except BlockingIOError:
                reply = b""
            if reply and not self.is_silent:
                if self.is_garbled:
                    reply = bytes([*reply[:-3], reply[-3] ^ 0x20, *reply[-2:]])
                asyncio.get_running_loop().call_later(self.delay_seconds, self.line.send, reply)
            await asyncio.sleep(STEP_SECONDS)
