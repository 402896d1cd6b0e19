"""Mail to users: a message is made of a template, and sent by a job, so that what is rolled back sends nothing.

    uow.enqueue(SendMail(to=user.email, template="reset_password", values={"link": link}))

The text, its HTML twin and the subject are templates in `app/templates/mail`.
"""

from app.core.mail.jobs import SendMail, send_mail
from app.core.mail.mailer import Mailer, MailPort, MemoryMail, get_mailer, make_mailer
from app.core.mail.message import Mail, render

__all__ = ["Mail", "MailPort", "Mailer", "MemoryMail", "SendMail", "get_mailer", "make_mailer", "render", "send_mail"]
