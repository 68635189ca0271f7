"""One probe: a protocol's way to the judge, then the judged request or the known page."""

from functools import partial

from eagleray.pipelines.proxies.judging import Judge, Judged, JudgeUrl
from eagleray.pipelines.proxies.model import Credentials, Endpoint, Protocol
from eagleray.pipelines.proxies.protocols import http1, http_proxy, socks4, socks5
from eagleray.pipelines.proxies.protocols.exchange import Exchange, Stream

HTTP = Protocol.HTTP
TUNNELS = {
    Protocol.HTTPS: http_proxy.connect,
    Protocol.SOCKS4: socks4.connect,
    Protocol.SOCKS5: socks5.connect,
}


def probe(
    stream: Stream, endpoint: Endpoint, protocol: Protocol, judge: Judge, nonce: str
) -> Exchange[Judged]:
    """Ask `judge` through `endpoint` by `protocol`.

    Raises:
        ProbeFailed: how it failed; the stream's marks say how far it came.
    """
    if protocol is HTTP:
        answer = yield from forward(stream, endpoint.credentials, judge.url, nonce)
    else:
        yield from TUNNELS[protocol](stream, judge.target, endpoint.credentials)
        stream.tunnel_at = stream.now
        answer = yield from http1.read_answer(stream, judge.url.request(nonce))
    return judge.read(answer, nonce, endpoint.host, stream.local)


def known_page(stream: Stream, endpoint: Endpoint, judge: Judge, nonce: str) -> Exchange[None]:
    """Fetch the known page of a judge that has one by HTTP forwarding, where proxies put things into pages.

    Raises:
        ProbeFailed: TAMPERED where another page came, or how fetching it failed.
    """
    assert judge.known_url is not None
    answer = yield from forward(stream, endpoint.credentials, judge.known_url, nonce)
    judge.refuse_tampered(answer, nonce)


def forward(
    stream: Stream, credentials: Credentials | None, url: JudgeUrl, nonce: str
) -> Exchange[http1.Answer]:
    """A request by HTTP forwarding; the page of a refusal is not waited for."""
    request = url.request(nonce, absolute=True, extra=http_proxy.authorization(credentials))
    return http1.read_answer(stream, request, partial(http_proxy.refuse_status, credentials))
