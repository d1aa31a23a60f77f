"""lanekeeperd with a Modbus RTU thermometer that is pymodbus."""

import time
from contextlib import asynccontextmanager

import pytest
from lanesim_parts.people import Person
from lanesim_parts.sorts import ALL
from modbus_thermometer import AMBIENT_REGISTER, OBJECT_REGISTER, UNIT, ModbusThermometer
from pymodbus.constants import ExcCodes

THERMOMETER = (
    "type: modbus, port: {devices}/modbus.tty, unit: %d, registers: input, register: %d, scale_celsius: 0.1, "
    "ambient_register: %d" % (UNIT, OBJECT_REGISTER, AMBIENT_REGISTER)
)


WALL_QUESTIONS = 4
QUESTIONS = 6
FEWEST_SECONDS = 0.15  # between two questions that were not answered, on the average


def visitor(number: int) -> Person:
    sort = next(each for each in ALL if each.name == "may pass: visitor")
    return Person(number, sort, "visitor", bytes([1, 2, 3, 4, number]), 36.5)


@pytest.fixture
def open_measured_lane(open_lane):
    @asynccontextmanager
    async def open(crowd):
        thermometers = []

        def prepare(lane):
            thermometers.append(ModbusThermometer(lane.devices / "modbus.tty"))

        try:
            async with open_lane(crowd, prepare, thermometer=THERMOMETER) as lane:
                await lane.until_device("thermometer", "present")
                yield lane, thermometers[0]
        finally:
            for thermometer in thermometers:
                thermometer.stop()

    return open


async def show(lane, thermometer, person, celsius):
    """Steps up with a badge; `admitted` or `refused` with the reasons."""
    before = lane.status()["since_start"]["presented"]
    thermometer.object_celsius = 24.0
    asked = thermometer.questions
    await lane.until("it sees the wall", lambda: thermometer.questions >= asked + WALL_QUESTIONS)
    await lane.until_ready()
    thermometer.object_celsius = celsius
    lane.lane.simulated.reader.hold(person.chip, 0.5)
    decision = await lane.until_decided(before + 1)
    if decision["verdict"] == "admitted":
        await lane.gate.pulse("passage_forward")
        await lane.until("the way is free", lambda: not lane.gate.level["release"])
    return decision["verdict"], decision["reasons"]


def test_a_temperature_decides(open_measured_lane, run):
    async def scenario():
        async with open_measured_lane([visitor(1), visitor(2)]) as (lane, thermometer):
            assert await show(lane, thermometer, visitor(1), 36.5) == ("admitted", [])
            assert await show(lane, thermometer, visitor(2), 38.2) == ("refused", ["temperature-high"])
            device = lane.device("thermometer")
            assert device["state"] == "present" and " 0 rejected" in device["last_word"]

    run(scenario())


def test_exceptions_lose_it_by_their_code_and_it_comes_back(open_measured_lane, run):
    async def scenario():
        async with open_measured_lane([visitor(1)]) as (lane, thermometer):
            thermometer.exception = ExcCodes.ILLEGAL_ADDRESS
            await lane.until("lost", lambda: "thermometer lost" in lane.log())
            await lane.until("why", lambda: "error 2: compare register" in lane.device("thermometer")["last_word"])
            thermometer.exception = None
            await lane.until_device("thermometer", "present")
            assert await show(lane, thermometer, visitor(1), 36.5) == ("admitted", [])

    run(scenario())


def test_silence_loses_it_within_two_seconds_and_its_voice_brings_it_back(open_measured_lane, run, lateness):
    async def scenario():
        async with open_measured_lane([visitor(1)]) as (lane, thermometer):
            lateness.allowance()
            thermometer.is_silent = True
            assert await lane.until("lost", lambda: "thermometer lost" in lane.log()) < 2.2 + lateness.allowance()
            asked, began = thermometer.questions, time.monotonic()
            # It is asked again and again, and not all the time.
            await lane.until("it is asked on", lambda: thermometer.questions >= asked + QUESTIONS)
            assert time.monotonic() - began > QUESTIONS * FEWEST_SECONDS
            lateness.allowance()
            thermometer.is_silent = False
            assert await lane.until_device("thermometer", "present") < 3 + lateness.allowance()
            assert await show(lane, thermometer, visitor(1), 36.5) == ("admitted", [])

    run(scenario())


def test_late_replies_are_not_taken_for_the_next_questions(open_measured_lane, run):
    async def scenario():
        async with open_measured_lane([visitor(1)]) as (lane, thermometer):
            # Half as late again as is waited for: whoever stood there is gone when the reply comes.
            thermometer.delay_seconds = 0.3
            await lane.until("lost", lambda: "thermometer lost" in lane.log())
            thermometer.delay_seconds = 0.1
            await lane.until_device("thermometer", "present")
            assert await show(lane, thermometer, visitor(1), 36.5) == ("admitted", [])

    run(scenario())


def test_garbled_replies_are_no_temperatures(open_measured_lane, run):
    async def scenario():
        async with open_measured_lane([visitor(1)]) as (lane, thermometer):
            thermometer.is_garbled = True
            await lane.until("lost", lambda: "thermometer lost" in lane.log())
            thermometer.is_garbled = False
            await lane.until_device("thermometer", "present")
            assert " 0 rejected" not in lane.device("thermometer")["last_word"]
            assert await show(lane, thermometer, visitor(1), 36.5) == ("admitted", [])

    run(scenario())
