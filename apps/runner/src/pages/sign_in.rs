//! The form for the admin token. It works without any script.

use axum::http::StatusCode;
use buntime_ui::Page;
use maud::html;

pub(super) fn page(target: &str, message: Option<&str>) -> Page {
    let main = html! {
        section.card aria-label="Sign in" {
            p { "What lies behind this page is for administrators of this server." }
            @if let Some(message) = message { p.note.bad role="alert" #sign-in-told { (message) } }
            form #sign-in-form method="post" action=(super::SESSION) {
                input type="hidden" name="return" value=(target);
                div.row {
                    div.field {
                        label for="token" { "Admin token" }
                        input #token type="password" name="token" autocomplete="current-password" required autofocus
                            aria-describedby=[message.map(|_| "sign-in-told")];
                    }
                    button.main { "Sign in" }
                }
            }
        }
    };
    Page::new("Sign in", super::SESSION, main).with_status(StatusCode::UNAUTHORIZED)
}
