/// `GET /login` asks for a token, `POST /login` keeps it in a cookie of this browser, `POST /logout` forgets it. The
/// cookie is the token itself: when the token is removed, the browser is out. `to` in the query is the page that somebody
/// asked for and gets after he is in.
struct LoginPage: Sendable {
    static let cookie = "lanekeeper_token"
    static let formType = "application/x-www-form-urlencoded"
    static let longestForm = 512

    let isEncrypted: Bool

    func page(to page: LocalPage?) -> HTTPResponse { answer(200, "", page) }

    /// As a person reads it, when the token was wrong.
    func again(to page: LocalPage?) -> HTTPResponse {
        answer(
            401, "<p class=\"wrong\"><b lang=\"zh-Hans\">令牌无效</b> <span>This token is not valid</span></p>", page)
    }

    func tooOften(to page: LocalPage?) -> HTTPResponse {
        answer(
            429,
            "<p class=\"wrong\"><b lang=\"zh-Hans\">尝试过多，请一分钟后再试</b> <span>Too many tries, wait a minute</span></p>",
            page)
    }

    /// `token=…` of a form; nil when there is none.
    static func token(_ form: [UInt8]) -> String? {
        let text = String(decoding: form, as: UTF8.self)
        for field in text.split(separator: "&") where field.hasPrefix("token=") {
            // What needs escaping stands in no token, but blanks around it are pasted along.
            let value = field.dropFirst(6).split(separator: "+").joined()
            let isPlain = value.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x5F || $0 == 0x2D
            }
            return isPlain && !value.isEmpty ? value : nil
        }
        return nil
    }

    func entered(_ token: String, to page: LocalPage?) -> HTTPResponse {
        go(to: page?.text ?? "/", cookie: token, seconds: 400 * 86_400)
    }
    var left: HTTPResponse { go(to: "/login", cookie: "", seconds: 0) }

    static func redirect(comingBackTo page: LocalPage) -> HTTPResponse {
        HTTPResponse(303, "text/plain", [], headers: [("Location", address(page))])
    }

    private static func address(_ page: LocalPage?) -> String {
        page.map { $0.text == "/" ? "/login" : "/login?to=\(LocalPage.escaped($0.text))" } ?? "/login"
    }

    private func go(to place: String, cookie value: String, seconds: Int) -> HTTPResponse {
        let cookie =
            "\(Self.cookie)=\(value); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Strict"
            + (isEncrypted ? "; Secure" : "")
        return HTTPResponse(303, "text/plain", [], headers: [("Location", place), ("Set-Cookie", cookie)])
    }

    private func answer(_ status: Int, _ wrong: String, _ page: LocalPage?) -> HTTPResponse {
        let text = """
            <!doctype html>
            <html lang="zh-Hans"><head><meta charset="utf-8"><title>Lanekeeper</title>
            <meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/page.css"></head>
            <body><main><h1><span>登录</span> <small lang="en">Log in</small></h1>\(wrong)
            <form method="post" action="\(HTML.escaped(Self.address(page)))" autocomplete="off">
            <p><label for="token">访问令牌 <span lang="en">Access token</span></label></p>
            <p><input id="token" name="token" type="password" required maxlength="128" autofocus>
            <button>登录 <span lang="en">Log in</span></button></p></form></main></body></html>

            """
        let policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        return HTTPResponse(
            status, "text/html; charset=utf-8", Array(text.utf8), headers: [("Content-Security-Policy", policy)])
    }
}
